// Editing locks. A window that has the lock of its thing gives a sign of life now and then, while somebody touches it,
// and gives the lock back when it closes. One that may only read asks whether the thing has become free. The server
// writes the words; package lock tells the rules.
(function () {
  "use strict";
  var box = document.querySelector("[data-lock]");
  if (!box) return;
  var url = box.dataset.lock, token = box.dataset.lockToken, every = Number(box.dataset.lockEvery) * 1000, idle = Number(box.dataset.lockIdle) * 1000;
  var mine = token !== "" && box.dataset.lockLost === undefined, touched = Date.now(), asked = Date.now(), busy = false;

  function tell(now) {
    if (now === mine) return;
    mine = now;
    document.dispatchEvent(new CustomEvent("stoa:lock", { detail: { mine: mine } }));
  }
  function show(html) {
    if (box.dataset.shown === html) return; // what somebody is about to press stays where it is
    box.dataset.shown = html;
    box.innerHTML = html;
    window.stoa.enhance(box);
    var form = document.querySelector("form[data-dirty]");
    if (!token || !html) return;
    if (form) window.stoa.markDirty(form, true);
    if (box.getBoundingClientRect().bottom < 0) window.stoa.toast(box.querySelector(".notice__title").textContent, "warn");
  }
  function post(action) {
    return fetch(url, { method: "POST", body: new URLSearchParams({ do: action, token: token, back: location.pathname + location.search }), credentials: "same-origin", redirect: "manual" });
  }
  // hear takes the answer to a sign of life, or to the wish to take over.
  function hear(r, wished) {
    if (r.status === 204) {
      if (!mine && !wished) window.stoa.toast("You can go on editing.", "ok");
      box.removeAttribute("data-lock-lost");
      tell(true);
      show("");
    } else if (r.status === 409) {
      return r.text().then(function (html) { tell(false); show(html); });
    } else if (r.type === "opaqueredirect") {
      tell(false);
      show('<div class="notice notice--warn lock" role="alert"><div><p class="notice__title">You are signed out</p><p>Nothing is saved until you <a href="/sign-in" target="_blank" rel="noopener">sign in again in another window</a>.</p></div></div>');
    } else if (r.status === 403 || r.status === 404) {
      tell(false);
      show('<div class="notice notice--bad lock" role="alert"><div><p class="notice__title">This can no longer be edited</p><p>It was deleted, or you may not edit it any more. Copy what you need before you leave.</p></div></div>');
    }
  }
  function ask() {
    if (busy) return;
    busy = true;
    asked = Date.now();
    var answer = token ? post("renew").then(function (r) { return hear(r); }) : fetch(url + "?back=" + encodeURIComponent(location.pathname + location.search), { credentials: "same-origin", redirect: "manual" })
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
    if (token) navigator.sendBeacon(url, new URLSearchParams({ do: "release", token: token }));
  });
  document.addEventListener("click", function (e) {
    if (!(e.target instanceof Element) || !e.target.closest("[data-lock-take]")) return;
    post("take").then(function (r) { return hear(r, true); }).catch(function () { window.stoa.toast("The server could not be reached. Try again in a moment.", "bad"); });
  });
  var unsaved = box.dataset.lockLost !== undefined && document.querySelector("form[data-dirty]");
  if (unsaved) window.stoa.markDirty(unsaved, true);
  window.stoa.lock = { mine: function () { return mine; }, ask: ask };
})();
