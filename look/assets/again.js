// The session may end while a person works on a screen. Before a form is sent it is asked who is signed in; when it is
// no one, a dialog holds the portal's own sign-in page, and the form is sent as soon as the same person is there again.
// For another person the screen is closed, since what was typed is not theirs to see.
(function () {
  "use strict";
  var dialog = document.getElementById("again"), person = document.body.dataset.person;
  if (!dialog || !person) return;
  var place = dialog.querySelector("[data-again-place]"), notice = null, asked = null, left = false, sending = new WeakSet();

  // who resolves to "same", "other", "none" or "unknown"; it rejects when there is no answer.
  function who() {
    return fetch("/control/me", { credentials: "same-origin", redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(5000) }).then(function (r) {
      if (r.type === "opaqueredirect" || r.status === 401) return "none";
      return r.ok ? r.text().then(function (id) { return id === person ? "same" : "other"; }) : "unknown";
    });
  }
  function leave() {
    left = true;
    document.dispatchEvent(new CustomEvent("stoa:other"));
    window.stoa.forget();
    document.body.replaceChildren();
    location.replace("/control/?done=other");
  }

  // again resolves to whether the person is signed in again; asking twice is one question.
  function again() {
    if (!asked) {
      asked = who().catch(function () { return "unknown"; }).then(function (is) {
        if (is === "same") return true;
        if (is !== "other") return ask();
        leave();
        return false;
      }).then(function (ok) {
        asked = null;
        if (!ok) return false;
        if (notice) notice.remove();
        notice = null;
        document.dispatchEvent(new CustomEvent("stoa:signed-in"));
        return true;
      });
    }
    return asked;
  }
  function ask() {
    var frame = document.createElement("iframe"), before = document.activeElement, size = null, signed = false;
    frame.className = "again__frame";
    frame.title = dialog.dataset.frame;
    function look() {
      who().then(function (is) {
        if (!dialog.open || is === "none" || is === "unknown") return;
        signed = is === "same";
        if (signed) dialog.close(); else leave();
      }).catch(function () { /* the next answer may get through */ });
    }
    // A way that leads to another host, or away from signing in, opens a window; a person who comes back is looked up.
    function back() { if (!document.hidden) look(); }
    function dress() {
      var doc = frame.contentDocument, main = doc && doc.querySelector("main"), first;
      if (!main) return;
      doc.querySelectorAll("a[href]").forEach(function (a) { if (a.pathname !== "/sign-in") a.target = "_blank"; });
      doc.addEventListener("keydown", function (e) { if (e.key === "Escape") dialog.close(); });
      size = new ResizeObserver(function () { frame.style.height = main.getBoundingClientRect().bottom + "px"; });
      size.observe(main);
      first = doc.querySelector("[autofocus], input:not([type=hidden])");
      if (first) first.focus();
      if (!/^\/sign-in(\/second)?$/.test(doc.location.pathname)) look();
    }
    frame.addEventListener("load", dress);
    frame.src = "/sign-in?next=/sign-in/done";
    place.replaceChildren(frame);
    ["focus", "visibilitychange"].forEach(function (type) { addEventListener(type, back); });
    dialog.showModal();
    return new Promise(function (done) {
      dialog.addEventListener("close", function () {
        ["focus", "visibilitychange"].forEach(function (type) { removeEventListener(type, back); });
        if (size) size.disconnect();
        frame.remove();
        if (before && before.isConnected) before.focus();
        done(signed);
      }, { once: true });
    });
  }

  // ended tells of a session that has ended, without taking the keys from someone who types.
  function ended() {
    if (asked || notice || left) return;
    notice = document.createElement("div");
    who().then(function (is) {
      if (is === "other") return leave();
      if (is !== "none" || asked) { notice = null; return; }
      notice = document.importNode(dialog.querySelector("template").content.firstElementChild, true);
      notice.querySelector("button").addEventListener("click", again);
      document.querySelector(".toasts").append(notice);
    }).catch(function () { notice = null; });
  }

  // call is fetch that signs in again where the session has ended, and then sends the same once more.
  function call(url, options) {
    var all = Object.assign({ credentials: "same-origin", redirect: "manual" }, options);
    all.headers = Object.assign({ "Stoa-Person": person }, all.headers);
    return fetch(url, all).then(function (r) {
      if (r.type !== "opaqueredirect" && r.status !== 401) return r;
      return again().then(function (ok) { return ok ? fetch(url, all) : r; });
    });
  }

  // The server refuses what a form sends for another person than the one who filled it in.
  function sign(form) {
    var input = form.querySelector('input[name="_person"]');
    if (!input) {
      input = document.createElement("input");
      input.type = "hidden";
      input.name = "_person";
      form.append(input);
    }
    input.value = person;
  }
  document.addEventListener("submit", function (e) { // after the question of admin.js, before what stands on the form
    var form = e.target, by = e.submitter;
    if ((form.getAttribute("method") || "").toLowerCase() !== "post" || form.getAttribute("action") === "/sign-out") return;
    sign(form);
    // What a frame of the screen shows is asked for while people type: a dialog would be in their way.
    if (form.dataset.again !== undefined || (by && by.formTarget || form.target || "_self") !== "_self") return;
    e.preventDefault();
    e.stopImmediatePropagation();
    if (sending.has(form)) return;
    sending.add(form);
    function send() {
      if (sending.delete(form)) return setTimeout(send); // a form does not go out while it still answers its event
      form.dataset.again = "";
      if ((by && by.dataset.confirm !== undefined ? by : form).dataset.confirm !== undefined) form.dataset.confirmed = "yes";
      form.requestSubmit(by);
      delete form.dataset.again;
    }
    who().catch(function (err) {
      if (err.name === "TimeoutError") return "unknown"; // what is sent now may be answered, or is kept
      window.stoa.toast(dialog.dataset.unreached, "bad");
      return "unreached";
    }).then(function (is) {
      if (is === "same" || is === "unknown") return send();
      if (is === "other") return leave();
      if (is === "none") return again().then(function (ok) { if (ok) send(); });
    }).catch(function (err) { console.warn(err); }).then(function () { sending.delete(form); });
  }, true);

  window.stoa.again = again;
  window.stoa.ended = ended;
  window.stoa.call = call;
})();
