// Passkeys, and the question who is there before something dangerous. Forms name the address that gives the
// question (data-passkey); the answer goes along in the field "answer".
(function () {
  "use strict";
  if (document.documentElement.dataset.passkeys) return; // one page may name this file more than once
  document.documentElement.dataset.passkeys = "1";

  function bytes(text) {
    var raw = atob(text.replace(/-/g, "+").replace(/_/g, "/")), out = new Uint8Array(raw.length);
    for (var i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
    return out;
  }
  function text(buffer) {
    var raw = "";
    new Uint8Array(buffer).forEach(function (b) { raw += String.fromCharCode(b); });
    return btoa(raw).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }
  function known(list) {
    return (list || []).map(function (c) { return Object.assign({}, c, { id: bytes(c.id) }); });
  }

  // ask gives what the person's device answers, as the JSON of WebAuthn.
  function ask(question) {
    var o = question.publicKey, made = !!o.user;
    o.challenge = bytes(o.challenge);
    if (made) {
      o.user.id = bytes(o.user.id);
      o.excludeCredentials = known(o.excludeCredentials);
    } else {
      o.allowCredentials = known(o.allowCredentials);
    }
    return navigator.credentials[made ? "create" : "get"]({ publicKey: o }).then(function (c) {
      var r = c.response, out = { clientDataJSON: text(r.clientDataJSON) };
      if (made) {
        out.attestationObject = text(r.attestationObject);
        if (r.getTransports) out.transports = r.getTransports();
      } else {
        out.authenticatorData = text(r.authenticatorData);
        out.signature = text(r.signature);
        if (r.userHandle) out.userHandle = text(r.userHandle);
      }
      return JSON.stringify({ id: c.id, rawId: text(c.rawId), type: c.type, response: out });
    });
  }

  function send(address, body) {
    return fetch(address, {
      method: "POST", body: body, credentials: "same-origin", redirect: "error",
      headers: { Accept: "application/json", "Content-Type": "application/x-www-form-urlencoded" },
    }).then(function (res) {
      if (res.ok) return res.status === 204 ? null : res.json();
      if (res.headers.get("Stoa-Confirm")) return Promise.reject({ confirm: true });
      return res.json().then(function (p) { return Promise.reject({ said: p.detail }); });
    });
  }

  function say(form, words) {
    var place = form.querySelector("[data-problem]");
    if (!place) return;
    place.textContent = words;
    place.hidden = !words;
  }

  // goOn does what the question stood before.
  function goOn() {
    var kept = document.querySelector("[data-kept]");
    if (!kept) history.back();
    else if (kept.tagName === "A") location.replace(kept.href);
    else kept.submit();
  }

  function sentence(words) {
    return words ? words.charAt(0).toUpperCase() + words.slice(1).replace(/\.?$/, ".") : "";
  }

  function submit(e) {
    var form = e.target;
    if (!form.matches || !form.matches("[data-passkey], [data-proof]")) return;
    e.preventDefault();
    var kept = document.querySelector("form[data-kept]");
    if (form.hasAttribute("data-proof") && kept && !kept.reportValidity()) return;
    var place = form.querySelector("[data-problem]"), buttons = form.querySelectorAll("button"), answer = Promise.resolve();
    say(form, "");
    if (form.elements.remember && document.querySelector('[name="remember"]:checked')) form.elements.remember.value = "1";
    if (form.dataset.passkey) {
      if (!window.PublicKeyCredential) {
        say(form, place.dataset.unsupported);
        return;
      }
      answer = send(form.dataset.passkey, "").then(ask).then(function (a) { form.elements.answer.value = a; });
    }
    buttons.forEach(function (b) { b.disabled = true; });
    answer.then(function () {
      if (!form.hasAttribute("data-proof")) { // the page that comes is the answer
        buttons.forEach(function (b) { b.disabled = false; });
        form.submit();
        return;
      }
      return send(form.action, new URLSearchParams(new FormData(form)).toString()).then(goOn);
    }).catch(function (err) {
      buttons.forEach(function (b) { b.disabled = false; });
      if (err && err.confirm) {
        location.assign("/account/confirm?next=/account/factors");
        return;
      }
      say(form, sentence(err && err.said) || place.dataset.unknown);
    });
  }

  document.addEventListener("submit", submit);
  document.querySelectorAll("[data-proof]").forEach(function (form) { form.removeAttribute("target"); });
  document.querySelectorAll("form[data-kept] [data-send]").forEach(function (p) { p.hidden = true; });
  var follow = document.querySelector("a[data-follow]");
  if (follow) location.replace(follow.href);
})();
