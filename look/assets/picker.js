// Choosing a picture of the site for a field that holds its key. Without this script the key is typed.
(function () {
  "use strict";
  var icons = new URL("icons.svg", document.currentScript.src).pathname;
  var words = { choose: "Choose a picture", change: "Choose another", remove: "Remove", search: "Filter by name", upload: "Upload", more: "More", none: "No picture fits.", empty: "There are no pictures yet: upload one.", close: "Close", failed: "The server could not be reached. Try again in a moment." };

  function make(tag, attrs) {
    var el = document.createElement(tag);
    Object.keys(attrs || {}).forEach(function (k) { if (k === "text") el.textContent = attrs[k]; else el.setAttribute(k, attrs[k]); });
    for (var i = 2; i < arguments.length; i++) if (arguments[i]) el.append(arguments[i]);
    return el;
  }
  function icon(name) {
    var ns = "http://www.w3.org/2000/svg", svg = document.createElementNS(ns, "svg"), use = document.createElementNS(ns, "use");
    svg.setAttribute("class", "icon icon--small");
    svg.setAttribute("aria-hidden", "true");
    use.setAttribute("href", icons + "#" + name);
    svg.append(use);
    return svg;
  }
  // The last part of the address of a file is its key.
  function keyOf(url) { return new URL(url, location.href).pathname.split("/").pop(); }

  function arm(box) {
    var input = box.querySelector("input"), view = box.querySelector("img"), label = document.querySelector('label[for="' + input.id + '"]');
    if (input.disabled || input.readOnly) return; // somebody else writes here at the moment
    if (!view) { // the picture is gone and was replaced by a sign
      view = make("img", { class: "image-field__view", alt: "", hidden: "" });
      box.prepend(view);
    }
    var name = label ? label.firstChild.textContent.trim() : "";
    var choose = make("button", { type: "button", class: "button button--small" });
    var remove = make("button", { type: "button", class: "button button--small button--quiet", "aria-label": words.remove + ": " + name, text: words.remove });
    input.type = "hidden";
    input.after(choose, remove);
    if (label) { choose.id = input.id + "-choose"; label.htmlFor = choose.id; }
    show(view.getAttribute("src"));

    function show(src) {
      var has = !!input.value;
      view.hidden = !has || !src;
      if (src) view.src = src;
      choose.textContent = has ? words.change : words.choose;
      choose.setAttribute("aria-label", choose.textContent + ": " + name);
      remove.hidden = !has;
    }
    function set(item) {
      input.value = item ? keyOf(item.url) : "";
      show(item ? item.thumb || item.url : "");
      input.dispatchEvent(new Event("input", { bubbles: true }));
      choose.focus();
    }
    remove.addEventListener("click", function () { set(null); });
    choose.addEventListener("click", function () { open(box, set); });
  }

  function open(box, chosen) {
    var grid = make("div", { class: "picker" }), said = make("p", { class: "hint", role: "status" });
    var search = make("input", { class: "input", type: "search", "aria-label": words.search, placeholder: words.search });
    var file = make("input", { type: "file", accept: "image/*", class: "visually-hidden", "aria-label": words.upload });
    var upload = make("label", { class: "button button--small" }, icon("upload"), words.upload, file);
    var more = make("button", { type: "button", class: "button button--small", text: words.more, hidden: "" });
    var close = make("button", { type: "button", class: "button button--quiet button--icon button--small", "aria-label": words.close }, icon("close"));
    var dialog = make("dialog", { class: "dialog dialog--wide", "aria-labelledby": "picker-title" },
      make("div", { class: "dialog__head" }, make("h2", { class: "dialog__title", id: "picker-title", text: words.choose }), close),
      make("div", { class: "dialog__body" }, make("div", { class: "inline" }, search, upload), said, grid, more));
    var next = "", turn = 0, timer;

    function load(from) {
      var mine = ++turn, url = new URL(box.dataset.imagesUrl, location.href);
      if (search.value) url.searchParams.set("q", search.value);
      if (from) url.searchParams.set("after", from);
      fetch(url, { headers: { Accept: "application/json" } }).then(function (r) { return r.json().then(function (data) { if (!r.ok) throw new Error(data.message); return data; }); }).then(function (data) {
        if (mine !== turn) return; // another search was begun since
        if (!from) grid.replaceChildren();
        data.items.forEach(function (item) {
          var button = make("button", { type: "button", class: "picker__item", title: item.name }, make("img", { src: item.thumb || item.url, alt: item.alt || item.name, loading: "lazy" }), make("span", { text: item.name }));
          button.addEventListener("click", function () { dialog.close(); chosen(item); });
          grid.append(button);
        });
        said.textContent = grid.children.length ? "" : search.value ? words.none : words.empty;
        next = data.next || "";
        more.hidden = !next;
      }).catch(function (err) { said.textContent = err.message || words.failed; });
    }
    search.addEventListener("input", function () { clearTimeout(timer); timer = setTimeout(load, 200); });
    more.addEventListener("click", function () { load(next); });
    close.addEventListener("click", function () { dialog.close(); });
    dialog.addEventListener("click", function (e) { if (e.target === dialog) dialog.close(); });
    dialog.addEventListener("close", function () { dialog.remove(); });
    file.addEventListener("change", function () {
      if (!file.files.length) return;
      var form = new FormData();
      form.append("file", file.files[0]);
      said.textContent = "";
      fetch(box.dataset.uploadUrl, { method: "POST", body: form, headers: { Accept: "application/json" } }).then(function (r) {
        return r.json().then(function (data) { if (!r.ok) throw new Error(data.message); return data; });
      }).then(function (item) { dialog.close(); chosen(item); }).catch(function (err) { said.textContent = err.message || words.failed; file.value = ""; });
    });
    document.body.append(dialog);
    dialog.showModal();
    search.focus();
    load("");
  }

  document.querySelectorAll("[data-image]").forEach(arm);
})();
