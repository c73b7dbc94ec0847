// Choosing what a field holds by sight or by its name: a picture of the site, several, a video, an article. Without this
// script the key, the address or the number is typed.
(function () {
  "use strict";
  var icons = new URL("icons.svg", document.currentScript.src).pathname;
  var words = {}; // those of the page, in the language of the person

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

  // What a field takes: kinds differ in their words, in what is listed and in what the value is.
  function kindOf(box) { return { video: "video", article: "article" }[box.dataset.pick] || "image"; }
  function wordsOf(kind) {
    return { video: { choose: words.chooseVideo, none: words.noVideo, empty: words.noVideo, search: words.searchVideo, upload: words.uploadVideo },
      article: { choose: words.chooseArticle, none: words.noArticle, empty: words.noArticle, search: words.searchArticle } }[kind] || words;
  }
  function addressOf(url) { return new URL(url, location.href).pathname; }

  function arm(box) {
    var input = box.querySelector("input"), view = box.querySelector("img"), label = box.closest(".field").querySelector('label[for="' + input.id + '"]');
    var kind = kindOf(box), said = wordsOf(kind), named = null;
    if (input.disabled || input.readOnly) return; // another window writes here at the moment
    if (kind !== "image") {
      named = make("span", { class: "image-field__name" });
      box.prepend(named);
    } else if (!view) { // the picture is gone and was replaced by a sign
      view = make("img", { class: "image-field__view", alt: "", hidden: "" });
      box.prepend(view);
    }
    var name = label ? label.firstChild.textContent.trim() : "";
    var choose = make("button", { type: "button", class: "button button--small" });
    var remove = make("button", { type: "button", class: "button button--small button--quiet", "aria-label": words.remove + ": " + name, text: words.remove });
    input.type = "hidden";
    input.after(choose, remove);
    if (label) { choose.id = input.id + "-choose"; label.htmlFor = choose.id; }
    show(named ? box.dataset.shown : view.getAttribute("src"));
    input.addEventListener("editor:set", function () { show(named ? input.value : ""); });

    function show(what) {
      var has = !!input.value;
      if (named) {
        named.textContent = has ? what || decodeURIComponent(input.value.split("/").slice(-2)[0]) : words.nothing;
        named.classList.toggle("hint", !has);
      } else {
        view.hidden = !has || !what;
        if (what) view.src = what;
      }
      choose.textContent = has ? words.change : said.choose;
      choose.setAttribute("aria-label", choose.textContent + ": " + name);
      remove.hidden = !has;
    }
    function set(item) {
      input.value = !item ? "" : kind === "article" ? item.value : box.dataset.pick ? addressOf(item.url) : keyOf(item.url);
      show(!item ? "" : named ? item.name : item.thumb || item.url);
      input.dispatchEvent(new Event("input", { bubbles: true }));
      choose.focus();
    }
    remove.addEventListener("click", function () { set(null); });
    choose.addEventListener("click", function () { open(box, kind, set); });
  }

  // A gallery is a list of pictures with words for those who do not see them, and captions.
  var most = 100;
  function armGallery(box) {
    var input = box.querySelector("textarea"), label = box.closest(".field").querySelector('label[for="' + input.id + '"]'), items = [];
    if (input.disabled || input.readOnly) return;
    var list = make("ol", { class: "gallery-field__list" }), said = make("p", { class: "hint", role: "status" });
    var add = make("button", { type: "button", class: "button button--small", text: words.add });
    input.hidden = true;
    if (label) { add.id = input.id + "-choose"; label.htmlFor = add.id; }
    input.after(list, said, add);
    function read() {
      try { items = JSON.parse(input.value || "[]"); } catch (err) { items = []; }
      if (!Array.isArray(items)) items = [];
      draw();
    }
    function write() {
      input.value = items.length ? JSON.stringify(items) : "";
      input.dispatchEvent(new Event("input", { bubbles: true }));
    }
    function tool(symbol, text, at, by) {
      var b = make("button", { type: "button", class: "button button--quiet button--icon button--small", "aria-label": text, title: text }, icon(symbol));
      b.disabled = by && !items[at + by];
      b.addEventListener("click", function () {
        var one = items.splice(at, 1)[0];
        if (by) items.splice(at + by, 0, one);
        write();
        draw();
        var row = list.children[by ? at + by : Math.min(at, items.length - 1)], back = row && row.querySelector('button[aria-label="' + text + '"]:not(:disabled), button');
        (back || add).focus();
      });
      return b;
    }
    function words2(at, key, text) {
      var field = make("input", { class: "input", "aria-label": text, placeholder: text, value: items[at][key] || "" });
      field.addEventListener("input", function (e) { e.stopPropagation(); items[at][key] = field.value; write(); });
      field.addEventListener("change", function (e) { e.stopPropagation(); });
      return field;
    }
    function draw() {
      list.replaceChildren();
      items.forEach(function (x, i) {
        list.append(make("li", { class: "gallery-field__item" }, make("img", { src: x.file + "?w=160", alt: "", loading: "lazy" }),
          make("div", { class: "gallery-field__words" }, words2(i, "alt", words.alt), words2(i, "caption", words.caption)),
          make("div", { class: "gallery-field__tools" }, tool("arrow-up", words.up, i, -1), tool("arrow-down", words.down, i, 1), tool("trash", words.remove, i, 0))));
      });
      add.hidden = items.length >= most;
      said.textContent = items.length >= most ? words.full : "";
    }
    add.addEventListener("click", function () {
      open(box, "image", function (item) {
        items.push({ file: addressOf(item.url), alt: item.alt || "" });
        write();
        draw();
        var row = list.lastElementChild;
        if (row) row.querySelector("input").focus();
      });
    });
    input.addEventListener("editor:set", read);
    read();
  }

  function open(box, kind, chosen) {
    var text = wordsOf(kind), grid = make(kind === "image" ? "div" : "ul", { class: kind === "image" ? "picker" : "picker-list" }), said = make("p", { class: "hint", role: "status" });
    var search = make("input", { class: "input", type: "search", "aria-label": text.search, placeholder: text.search });
    var file = make("input", { type: "file", accept: kind + "/*", class: "visually-hidden", "aria-label": text.upload });
    var upload = text.upload && make("label", { class: "button button--small" }, icon("upload"), text.upload, file);
    var more = make("button", { type: "button", class: "button button--small", text: words.more, hidden: "" });
    var close = make("button", { type: "button", class: "button button--quiet button--icon button--small", "aria-label": words.close }, icon("close"));
    var dialog = make("dialog", { class: "dialog dialog--wide", "aria-labelledby": "picker-title" },
      make("div", { class: "dialog__head" }, make("h2", { class: "dialog__title", id: "picker-title", text: text.choose }), close),
      make("div", { class: "dialog__body" }, make("div", { class: "inline" }, search, upload), said, grid, more));
    var next = "", turn = 0, timer;

    // row makes what is chosen by: a picture, or a name with what tells it from others.
    function row(item) {
      var button = kind === "image" ? make("button", { type: "button", class: "picker__item", title: item.name }, make("img", { src: item.thumb || item.url, alt: item.alt || item.name, loading: "lazy" }), make("span", { text: item.name })) :
        make("button", { type: "button", class: "picker-list__item" }, icon(kind === "video" ? "play" : "article"), make("span", { text: item.name }));
      button.addEventListener("click", function () { dialog.close(); chosen(item); });
      return kind === "image" ? button : make("li", {}, button);
    }
    function load(from) {
      var mine = ++turn, url = new URL(kind === "article" ? box.dataset.chooseUrl : box.dataset.imagesUrl, location.href);
      if (kind === "video") url.searchParams.set("kind", kind);
      if (search.value) url.searchParams.set("q", search.value);
      if (from) url.searchParams.set("after", from);
      window.stoa.call(url, { headers: { Accept: "application/json" } }).then(function (r) { return r.json().then(function (data) { if (!r.ok) throw new Error(data.message); return data; }); }).then(function (data) {
        if (mine !== turn) return; // another search was begun since
        if (!from) grid.replaceChildren();
        data.items.forEach(function (item) {
          if (kind === "article") item.name = item.label || item.value;
          grid.append(row(item));
        });
        said.textContent = grid.children.length ? "" : search.value ? text.none : text.empty;
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
      window.stoa.call(box.dataset.uploadUrl, { method: "POST", body: form, headers: { Accept: "application/json" } }).then(function (r) {
        return r.json().then(function (data) { if (!r.ok) throw new Error(data.message); return data; });
      }).then(function (item) { dialog.close(); chosen(item); }).catch(function (err) { said.textContent = err.message || words.failed; file.value = ""; });
    });
    document.body.append(dialog);
    dialog.showModal();
    search.focus();
    load("");
  }

  // Fields that come later, such as those of the page editor, are armed by what brings them.
  function enhanceAll(where) {
    where.querySelectorAll("[data-image], [data-gallery]").forEach(function (box) {
      words = JSON.parse(box.dataset.words); // the same for all
      if (box.matches("[data-gallery]")) armGallery(box); else arm(box);
    });
  }
  window.stoaPicker = { enhanceAll: enhanceAll };
  enhanceAll(document);
})();
