// What is typed in the form of an article is sent to the server at most every ten seconds and on leaving, so that it
// can be restored. The browser keeps a copy only while the server has not confirmed one, and hands it over later.
(function () {
  "use strict";
  var form = document.querySelector("form[data-autosave]");
  if (!form) return;
  var set = form.dataset, url = set.autosave, person = set.autosavePerson, every = 10000, prefix = "stoa.autosave.";
  var typed = 0, confirmed = 0, last = 0, timer = 0, busy = false, ended = false, reached = true;

  function named(name) { return form.querySelector('input[name="' + name + '"]'); }
  function say(text) { form.querySelectorAll("[data-save-state]").forEach(function (el) { if (text) el.textContent = text; }); }
  function written() {
    var data = new URLSearchParams();
    new FormData(form).forEach(function (value, name) {
      if (typeof value === "string" && name !== "password" && name !== "lock") data.append(name, value);
    });
    data.set("article", set.autosaveArticle);
    data.set("lang", set.autosaveLang);
    data.set("_person", person);
    return data;
  }
  function keep(data) {
    try { localStorage.setItem(prefix + data.get("autosave"), JSON.stringify({ person: person, text: data.toString() })); } catch (e) { console.warn("the browser keeps no copy", e); }
  }
  function drop(tab) { try { localStorage.removeItem(prefix + tab); } catch (e) { /* storage blocked: there is none */ } }
  function post(data) {
    return fetch(url, { method: "POST", body: data, credentials: "same-origin", redirect: "manual", signal: AbortSignal.timeout(30000) });
  }
  // unsure: the session has ended, or the server is not able to answer; later it may be.
  function unsure(r) { return r.type === "opaqueredirect" || r.status === 401 || r.status === 408 || r.status === 429 || r.status >= 500; }

  function plan() {
    if (!timer && !busy && !ended) timer = setTimeout(send, Math.max(1000, last + every - Date.now()));
  }
  function missed(data) {
    reached = false;
    if (ended) return;
    keep(data);
    say(set.autosaveHere);
  }
  function send() {
    clearTimeout(timer);
    timer = 0;
    if (ended || busy || typed === confirmed) return;
    var now = typed, data = written(), tab = data.get("autosave");
    busy = true;
    last = Date.now();
    post(data).then(function (r) {
      if (r.type === "opaqueredirect" || r.status === 401) window.stoa.ended();
      if (unsure(r)) return missed(data);
      reached = true;
      if (r.ok) {
        drop(tab);
        confirmed = now;
        if (typed === now) { set.kept = ""; say(set.autosaveKept); }
      } else if (r.status === 409) { // it was saved or discarded elsewhere: this is a window of its own now
        named("autosave").value = Array.from(crypto.getRandomValues(new Uint8Array(16)), function (b) { return b.toString(16).padStart(2, "0"); }).join("");
      } else {
        drop(tab);
        confirmed = now;
        say(set.autosaveRefused);
      }
    }).catch(function () { missed(data); }).then(function () {
      busy = false;
      if (typed !== confirmed) plan();
    });
  }

  ["input", "change"].forEach(function (type) {
    form.addEventListener(type, function () {
      typed++;
      delete set.kept;
      plan();
    });
  });
  // The copy of a form on its way is handed over by the next screen: the server knows whether it was saved.
  document.addEventListener("submit", function (e) {
    if (e.target !== form || e.defaultPrevented) return;
    if (typed !== confirmed) keep(written());
    ended = true;
  });
  addEventListener("pageshow", function (e) { if (e.persisted) { ended = false; plan(); } });
  document.addEventListener("visibilitychange", function () { if (document.hidden) send(); });
  addEventListener("online", send);
  document.addEventListener("stoa:signed-in", send);
  document.addEventListener("stoa:other", function () { ended = true; clearTimeout(timer); });
  addEventListener("pagehide", function () {
    if (ended || typed === confirmed) return;
    var data = written();
    if (!reached || data.toString().length > 60000 || !navigator.sendBeacon(url, data)) keep(data);
  });

  // What earlier windows could not hand over. A copy of another person is not theirs to see.
  function handOver() {
    var keys = [];
    try { keys = Object.keys(localStorage).filter(function (k) { return k.startsWith(prefix); }); } catch (e) { return; }
    keys.forEach(function (key) {
      var copy = null, tab = key.slice(prefix.length);
      try { copy = JSON.parse(localStorage.getItem(key)); } catch (e) { /* not ours */ }
      if (!copy || copy.person !== person) return drop(tab);
      var data = new URLSearchParams(copy.text);
      data.set("offer", "on");
      post(data).then(function (r) {
        if (unsure(r)) return;
        drop(tab);
        var here = data.get("article") === set.autosaveArticle && data.get("site") === named("site").value;
        var offers = document.querySelector("[data-autosave-offers]");
        if (!r.ok || !here || !offers || tab === named("autosave").value) return;
        return r.text().then(function (html) {
          offers.innerHTML = html;
          window.stoa.enhance(offers);
        });
      }).catch(function () { /* the next screen tries again */ });
    });
  }
  handOver();
  if (set.autosaveRestored !== undefined) {
    window.stoa.markDirty(form, true);
    set.kept = "";
    say(set.autosaveKept);
  }
})();
