// Editing locks. A window that has the lock of its thing gives a sign of life now and then, while a person touches it,
// and gives the lock back when it closes. One that may only read asks whether the thing has become free. The server
// writes the words; package lock tells the rules.
(function () {
  "use strict";
  var box = document.querySelector("[data-lock]");
  if (!box) return;
  var person = document.body.dataset.person || "", url = box.dataset.lock, token = box.dataset.lockToken, every = Number(box.dataset.lockEvery) * 1000, idle = Number(box.dataset.lockIdle) * 1000;
  var mine = token !== "" && box.dataset.lockLost === undefined, touched = Date.now(), asked = Date.now(), busy = false;

  function tell(now) {
    if (now === mine) return;
    mine = now;
    document.dispatchEvent(new CustomEvent("stoa:lock", { detail: { mine: mine } }));
  }
  function show(html) {
    if (box.dataset.shown === html) return; // what the person is about to press stays where it is
    box.dataset.shown = html;
    box.innerHTML = html;
    window.stoa.enhance(box);
    var form = document.querySelector("form[data-dirty]");
    if (!token || !html) return;
    if (form) window.stoa.markDirty(form, true);
    if (box.getBoundingClientRect().bottom < 0) window.stoa.toast(box.querySelector(".notice__title").textContent, "warn");
  }
  function post(action) {
    return fetch(url, { method: "POST", body: new URLSearchParams({ do: action, token: token, back: location.pathname + location.search, _person: person }), credentials: "same-origin", redirect: "manual" });
  }
  // hear takes the answer to a sign of life, or to the wish to take over.
  function hear(r, wished) {
    if (r.status === 204) {
      if (!mine && !wished) window.stoa.toast(window.stoa.word("goOn"), "ok");
      box.removeAttribute("data-lock-lost");
      tell(true);
      show("");
    } else if (r.status === 409) {
      return r.text().then(function (html) { tell(false); show(html); });
    } else if (r.type === "opaqueredirect") {
      window.stoa.ended();
    } else if (r.status === 403 || r.status === 404) {
      tell(false);
      show(document.getElementById("lock-gone").innerHTML);
    }
  }
  function ask() {
    if (busy) return;
    busy = true;
    asked = Date.now();
    var answer = token ? post("renew").then(function (r) { return hear(r); }) : fetch(url + "?back=" + encodeURIComponent(location.pathname + location.search), { credentials: "same-origin", redirect: "manual", headers: { "Stoa-Person": person } })
      .then(function (r) { return r.ok ? r.text().then(show) : null; });
    answer.catch(function () { /* the next one may get through */ }).then(function () { busy = false; });
  }

  ["pointerdown", "keydown", "input", "focusin"].forEach(function (type) { addEventListener(type, function () { touched = Date.now(); }, { capture: true, passive: true }); });
  setInterval(function () { if (Date.now() - touched < idle && (token || !document.hidden)) ask(); }, every);
  // Back at the window: at once, as it may have been away for long.
  ["visibilitychange", "focus", "pageshow"].forEach(function (type) {
    addEventListener(type, function (e) {
      if (document.hidden || (type === "pageshow" ? !e.persisted : Date.now() - asked < 2000)) return;
      touched = Date.now();
      ask();
    });
  });
  addEventListener("pagehide", function () {
    if (token) navigator.sendBeacon(url, new URLSearchParams({ do: "release", token: token, _person: person }));
  });
  document.addEventListener("click", function (e) {
    if (!(e.target instanceof Element) || !e.target.closest("[data-lock-take]")) return;
    post("take").then(function (r) { return hear(r, true); }).catch(function () { window.stoa.toast(window.stoa.word("failed"), "bad"); });
  });
  document.addEventListener("stoa:signed-in", function () { touched = Date.now(); ask(); });
  document.addEventListener("stoa:other", function () { token = ""; }); // the next person has no lock to give back
  var unsaved = box.dataset.lockLost !== undefined && document.querySelector("form[data-dirty]");
  if (unsaved) window.stoa.markDirty(unsaved, true);
  window.stoa.lock = { mine: function () { return mine; }, ask: ask };
})();
