// What is typed in the forms of the control panel is sent to the server at most every ten seconds and on leaving, so that
// it can be restored at the same screen. Articles have autosave.js.
(function () {
  "use strict";
  var words = document.getElementById("typed"), person = document.body.dataset.person, every = 10000;
  if (!words || !person) return;
  var set = words.dataset, url = "/control/typed";

  function post(data) {
    data.set("_person", person);
    return fetch(url, { method: "POST", body: data, credentials: "same-origin", redirect: "manual", signal: AbortSignal.timeout(30000) });
  }
  function random() { return Array.from(crypto.getRandomValues(new Uint8Array(16)), function (b) { return b.toString(16).padStart(2, "0"); }).join(""); }
  function kept(el) { return el.name && el.name[0] !== "_" && !(el.name === "site" && el.type === "hidden") && !el.disabled && !/^(password|file|submit|button|image|reset)$/.test(el.type) && !/password|token|secret/i.test(el.name); }
  function ticks(el) { return el.type === "checkbox" || el.type === "radio"; }

  function arm(form, nth) {
    var at = new URL(location.href), typed = 0, confirmed = 0, last = 0, timer = 0, busy = false, ended = false, tab = "", name = "";
    ["done", "draft"].forEach(function (k) { at.searchParams.delete(k); });
    // The site of a screen may stand in a cookie: what was typed for one is not offered at another.
    var screen = at.pathname + at.search + "@" + (document.body.dataset.site || "") + (nth ? "#" + nth : "");
    name = "stoa.tab." + screen;
    // The window keeps its name over a form that comes back with an error.
    try { tab = sessionStorage.getItem(name); } catch (e) { /* storage blocked: a name for each screen */ }
    call(tab || random());

    function call(to) {
      tab = to;
      try { sessionStorage.setItem(name, tab); } catch (e) { /* see above */ }
      var input = form.querySelector('input[name="_tab"]');
      if (!input) {
        input = document.createElement("input");
        input.type = "hidden";
        input.name = "_tab";
        form.append(input);
      }
      input.value = tab;
    }
    function say(text) { form.querySelectorAll("[data-save-state]").forEach(function (el) { el.textContent = text; }); }
    function fields() { return Array.from(form.elements).filter(kept); }
    function written() {
      var data = new URLSearchParams();
      fields().forEach(function (el) { if (!ticks(el) || el.checked) data.append(el.name, el.value); });
      data.set("_screen", screen);
      data.set("_tab", tab);
      return data;
    }
    function plan() { if (!timer && !busy && !ended) timer = setTimeout(send, Math.max(1000, last + every - Date.now())); }
    function send() {
      clearTimeout(timer);
      timer = 0;
      if (ended || busy || typed === confirmed) return;
      var now = typed;
      busy = true;
      last = Date.now();
      post(written()).then(function (r) {
        if (r.type === "opaqueredirect" || r.status === 401) return window.stoa.ended();
        if (r.status === 409) return call(random()); // saved or discarded elsewhere: a window of its own now
        if (r.status === 408 || r.status === 429 || r.status >= 500) return;
        confirmed = now;
        if (!r.ok) say(set.refused);
        else if (typed === now) { form.dataset.kept = ""; say(set.kept); }
      }).catch(function () { /* later it may be reached; leaving asks until then */ }).then(function () {
        busy = false;
        if (typed !== confirmed) plan();
      });
    }
    ["input", "change"].forEach(function (type) {
      form.addEventListener(type, function (e) {
        if (!e.target.name || !kept(e.target)) return;
        typed++;
        delete form.dataset.kept;
        plan();
      });
    });
    document.addEventListener("submit", function (e) { if (e.target === form && !e.defaultPrevented && !(e.submitter && e.submitter.formTarget)) ended = true; });
    addEventListener("pageshow", function (e) { if (e.persisted) { ended = false; plan(); } });
    document.addEventListener("visibilitychange", function () { if (document.hidden) send(); });
    ["online"].forEach(function (type) { addEventListener(type, send); });
    document.addEventListener("stoa:signed-in", send);
    document.addEventListener("stoa:other", function () { ended = true; clearTimeout(timer); });
    addEventListener("pagehide", function () {
      if (ended || typed === confirmed) return;
      var data = written();
      data.set("_person", person);
      if (data.toString().length < 60000) navigator.sendBeacon(url, data);
    });

    // each calls fn with every field and what was typed in it; fields that were not there then are left out.
    function each(was, fn) {
      var seen = {};
      fields().forEach(function (el) {
        var values = was[el.name] || (ticks(el) ? [] : null);
        if (!values) return;
        if (ticks(el)) return fn(el, values.includes(el.value));
        var n = seen[el.name] = (seen[el.name] || 0) + 1;
        if (values.length >= n) fn(el, values[n - 1]);
      });
    }
    function now(el) { return ticks(el) ? el.checked : el.value.replace(/\r\n/g, "\n"); }
    function differences(was) {
      var out = [];
      each(was, function (el, v) {
        if (el.type === "hidden" || now(el) === (ticks(el) ? v : v.replace(/\r\n/g, "\n"))) return;
        var label = el.labels && el.labels[0] ? el.labels[0].textContent.trim() : el.getAttribute("aria-label") || el.name;
        out.push([label, now(el), v]);
      });
      return out;
    }
    function restore(was, from) {
      each(was, function (el, v) {
        if (ticks(el)) el.checked = v; else el.value = v;
        if (el.dataset.editor !== undefined) el.dispatchEvent(new Event("editor:set"));
      });
      call(from);
      window.stoa.markDirty(form, true);
      form.dataset.kept = "";
      say(set.kept);
      form.dispatchEvent(new CustomEvent("stoa:restored", { bubbles: true }));
    }
    function offer(f) {
      var list = differences(f.fields || {});
      if (!list.length) return;
      var box = document.importNode(words.content.firstElementChild, true), when = box.querySelector("time"), table = box.querySelector("tbody");
      when.dateTime = f.saved;
      list.forEach(function (row) {
        var tr = document.createElement("tr");
        row.forEach(function (v, i) {
          var cell = document.createElement(i ? "td" : "th");
          cell.textContent = v === true ? set.yes : v === false ? set.no : v;
          tr.append(cell);
        });
        table.append(tr);
      });
      box.querySelector("[data-typed-restore]").addEventListener("click", function () { restore(f.fields, f.tab); box.remove(); });
      box.querySelector("[data-typed-discard]").addEventListener("click", function (e) {
        window.stoa.ask(e.target, function () {
          post(new URLSearchParams({ _tab: f.tab, _do: "discard" })).then(function (r) { if (r.ok) box.remove(); else window.stoa.toast(set.failed, "bad"); },
            function () { window.stoa.toast(set.failed, "bad"); });
        });
      });
      form.before(box);
      window.stoa.enhance(box);
    }
    if (!Array.from(form.elements).some(function (el) { return kept(el) && el.type !== "hidden"; })) return;
    fetch(url + "?screen=" + encodeURIComponent(screen), { credentials: "same-origin", redirect: "manual" }).then(function (r) { return r.ok ? r.json() : []; })
      .then(function (all) { all.forEach(offer); }).catch(function () { /* the next screen offers it */ });
  }

  document.querySelectorAll("form[data-dirty][method=post]:not([data-autosave])").forEach(arm);
})();
