// The page editor. The server keeps the layout: every change is one small order to it, answered with the new layout;
// the page in the middle is then fetched again. Works with the mouse, by touch and by keyboard.
(function () {
  "use strict";
  var root = document.querySelector("[data-page-editor]");
  if (!root) return;
  var base = "/control/pages/" + root.dataset.page, frame = root.querySelector("iframe"), side = root.querySelector("[data-settings]");
  var form = root.querySelector("[data-publish]"), state = root.querySelector("[data-state]"), outline = root.querySelector("[data-outline]");
  var kinds = JSON.parse(root.dataset.kinds), layout = JSON.parse(root.dataset.layout), draft = Number(root.dataset.draft);
  var selected = "", undone = [], done = [], queue = Promise.resolve(), waiting = 0, broken = false, gone = false, shown = "", dragged = null, target = null, moving = null, column = "", dressed = null;
  var lock = window.stoa.lock; // absent where editors are not told of each other
  var narrow = window.matchMedia("(max-width: 64rem)"); // the panels lie over the page then
  var icon = window.stoa.icon, words = root.querySelector("template[data-words]").dataset;

  function each(list, fn) { Array.prototype.forEach.call(list, fn); }
  function make(doc, tag, attrs, text) {
    var el = doc.createElement(tag);
    Object.keys(attrs || {}).forEach(function (k) { el.setAttribute(k, attrs[k]); });
    if (text) el.textContent = text;
    return el;
  }
  function sections() { return layout.sections || []; }
  function widgets(c) { return c.widgets || []; }
  // place tells where a widget stands: section, column and number.
  function place(id) {
    var found = null;
    sections().forEach(function (s, i) {
      s.columns.forEach(function (c, j) {
        widgets(c).forEach(function (w, k) { if (w.id === id) found = { section: i, column: j, index: k, widget: w, address: s.id + ":" + j, count: widgets(c).length }; });
      });
    });
    return found;
  }
  function sectionAt(id) { return sections().findIndex(function (s) { return s.id === id; }); }
  function columns() {
    var all = [];
    sections().forEach(function (s) { s.columns.forEach(function (c, j) { all.push({ address: s.id + ":" + j, count: widgets(c).length }); }); });
    return all;
  }
  function nameOf(w) { return (kinds[w.widget] || [w.widget])[0]; }
  function nameAt(el) { var kind = kinds[el.dataset.widget]; return kind ? kind[0] : el.dataset.widgetName; }
  // filled puts a value into a sentence of the catalogue.
  function filled(sentence, value) { return sentence.replace("{}", function () { return value; }); }
  function iconOf(w) { return (kinds[w.widget] || ["", "widget"])[1] || "widget"; }

  // ---- State and saving --------------------------------------------------------------------------
  function say(text, kind) {
    state.classList.toggle("is-bad", kind === "bad");
    state.replaceChildren(icon(kind === "bad" ? "error" : kind === "busy" ? "clock" : "check"), make(document, "span", { class: "word" }, text));
    state.firstChild.classList.add("icon--small");
  }
  function buttons() {
    root.querySelector("[data-do=undo]").disabled = !done.length;
    root.querySelector("[data-do=redo]").disabled = !undone.length;
  }
  function stop(message) { // another person was faster, or this one may not any more: nothing else can be saved
    broken = true;
    say(words.notSaved, "bad");
    window.stoa.toast(message, "bad");
    var box = document.querySelector(".toasts .toast:last-child > div");
    if (!box) return;
    var again = make(document, "button", { type: "button", class: "button button--small" }, words.load);
    again.addEventListener("click", function () { location.reload(); });
    box.append(document.createElement("br"), again);
  }
  // send gives an order to the server, one after the other. It resolves to the answer, or to null.
  function send(order, remember) {
    waiting++;
    var job = queue.then(function () {
      if (broken) return null;
      if (lock && !lock.mine()) { say(words.notSaved, "bad"); return null; }
      var before = layout;
      var body = typeof order === "function" ? order() : order;
      if (!body) return null;
      say(words.saving, "busy");
      return window.stoa.call(base + "/draft", { method: "POST", headers: { "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify(Object.assign({ index: -1 }, body, { refused: undefined, tried: undefined, draftVersion: draft, lock: root.dataset.lockId })) }).then(function (r) {
        if (r.type === "opaqueredirect") { say(words.notSaved, "bad"); window.stoa.ended(); return null; }
        return r.json().then(function (a) { return { status: r.status, answer: a }; }, function () { return { status: r.status, answer: {} }; });
      }).then(function (got) {
        if (!got) return null;
        if (got.status === 409 && got.answer.field === "lock" && lock) { say(words.notSaved, "bad"); lock.ask(); return null; }
        if (got.status === 409 || got.status === 403) { stop(got.answer.message); return null; }
        if (got.status !== 200) {
          say(words.notSaved, "bad");
          var about = got.answer.field && fieldInput(got.answer.field);
          var text = got.answer.message || words.failed;
          if (got.status < 500) body.refused = [got.answer.field || "", text];
          if (about) wrong(about, text); else if (!body.tried) window.stoa.toast(text, "bad");
          body.tried = true;
          return null;
        }
        draft = got.answer.draftVersion;
        form.elements.draft.value = draft;
        layout = got.answer.layout;
        if (remember !== "undo") done.push(before);
        if (remember === "undo") undone.push(before);
        else if (remember !== "redo") undone = [];
        if (done.length > 100) done.shift();
        say(filled(words.saved, new Date().toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" })));
        markDraft();
        buttons();
        return got.answer;
      }, function () {
        say(words.notSaved, "bad");
        if (!body.tried) window.stoa.toast(words.unreached, "bad");
        body.tried = true;
        return null;
      });
    });
    queue = job.then(function () { waiting--; }, function (e) { waiting--; console.error(e); });
    return job;
  }
  function markDraft() {
    each([root, side.querySelector("template").content], function (where) { each(where.querySelectorAll("[data-discard]"), function (el) { el.hidden = false; }); });
    var pill = root.querySelector("[data-pill] .pill");
    if (pill && pill.classList.contains("pill--ok")) { pill.textContent = words.publishedDraft; pill.className = "pill pill--info"; }
  }
  // change sends an order and shows what came of it.
  function change(order, keep) {
    return send(order).then(function (a) {
      if (!a) return a;
      if (!keep) selected = a.selected || "";
      return refresh(!keep);
    });
  }
  function step(from, kind) {
    send(function () {
      var to = from.pop();
      return to && { op: "set", layout: to };
    }, kind).then(function (a) {
      if (!a) { buttons(); return; }
      shown = null; // the settings beside the page may have changed as well
      refresh(true);
    });
  }
  function undo() { step(done, "undo"); }
  function redo() { step(undone, "redo"); }

  // ---- The page in the middle --------------------------------------------------------------------
  function page() { return frame.contentDocument; }
  function element(id) { var d = page(); return d && id ? d.querySelector('[data-widget-id="' + CSS.escape(id) + '"], [data-section-id="' + CSS.escape(id) + '"]') : null; }

  function refresh(focus) {
    return window.stoa.call(base + "/canvas").then(function (r) {
      if (!r.ok) throw new Error("HTTP " + r.status);
      return r.text();
    }).then(function (html) {
      var next = new DOMParser().parseFromString(html, "text/html").querySelector("main"), main = page() && page().querySelector("main");
      if (!main || !next) return;
      main.replaceChildren.apply(main, Array.from(page().importNode(next, true).childNodes));
      dress();
      show(focus);
    }).catch(function () { window.stoa.toast(words.unshown, "bad"); });
  }

  // dress makes the page something to work with: covers over widgets, words in empty columns.
  function dress() {
    var d = page(), main = d.querySelector("main");
    each(d.querySelectorAll("[data-column]"), function (c) {
      c.classList.add("canvas-column");
      var empty = !c.querySelector("[data-widget-id]");
      c.classList.toggle("is-empty", empty);
      if (!empty) return;
      c.replaceChildren(make(d, "span"));
      c.tabIndex = 0;
      c.setAttribute("role", "button");
    });
    each(d.querySelectorAll("[data-widget-id]"), function (w) {
      w.draggable = true;
      each(w.querySelectorAll("a, button, input, select, textarea, iframe, summary, [tabindex]"), function (el) { el.tabIndex = -1; });
      w.setAttribute("role", "group");
      w.setAttribute("aria-label", nameAt(w));
      w.append(make(d, "div", { class: "widget-cover" }));
    });
    if (!sections().length) {
      var blank = make(d, "div", { class: "canvas-column is-empty", "data-column": "" });
      blank.append(make(d, "span", {}, words.empty));
      main.append(blank);
    }
    drawOutline();
  }

  function tool(d, name, label, fn) {
    var b = make(d, "button", { type: "button", "aria-label": label, title: label });
    b.append(d.adoptNode(icon(name)));
    b.addEventListener("click", function (e) { e.stopPropagation(); e.preventDefault(); fn(); });
    return b;
  }
  // show marks what is selected, on the page, in the outline and in the settings.
  function show(focus) {
    var d = page(), el = element(selected);
    if (selected && !el) { selected = ""; }
    each(d.querySelectorAll(".canvas-toolbar"), function (t) { t.remove(); });
    each(d.querySelectorAll(".is-selected"), function (w) { w.classList.remove("is-selected", "canvas-only"); });
    if (sectionAt(selected) >= 0) column = selected + ":0";
    each(d.querySelectorAll("[data-column]"), function (c) {
      var on = column !== "" && c.dataset.column === column, text = c.querySelector(":scope > span");
      c.classList.toggle("canvas-only", on && !selected);
      if (c.classList.contains("is-empty") && c.dataset.column && text) {
        c.setAttribute("aria-pressed", String(on));
        text.textContent = on ? words.chosen : words.choose;
      }
    });
    each(outline.querySelectorAll("[data-id]"), function (b) { if (b.dataset.id === selected) b.setAttribute("aria-current", "true"); else b.removeAttribute("aria-current"); });
    if (el && el.dataset.widgetId) {
      column = place(selected) ? place(selected).address : column;
      el.classList.add("is-selected");
      var bar = make(d, "div", { class: "canvas-toolbar", role: "toolbar", "aria-label": nameAt(el) });
      bar.append(make(d, "span", { class: "canvas-toolbar__name" }, nameAt(el)),
        tool(d, "drag", words.move, beginMove), tool(d, "arrow-up", words.up, function () { nudge(-1); }), tool(d, "arrow-down", words.down, function () { nudge(1); }),
        tool(d, "settings", words.configure, configure), tool(d, "trash", words.remove, remove));
      if (el.getBoundingClientRect().top + d.defaultView.scrollY < 48) bar.classList.add("canvas-toolbar--below");
      el.prepend(bar);
      if (focus) el.focus({ preventScroll: false });
    } else if (el) {
      el.classList.add("is-selected", "canvas-only");
      if (focus) el.scrollIntoView({ block: "nearest" });
    }
    settings();
  }
  function select(id, focus) {
    endMove(false);
    if (id === selected) { if (focus && element(id)) element(id).focus(); return; }
    selected = id;
    show(focus);
  }

  // ---- Moving ------------------------------------------------------------------------------------
  function nudge(by) {
    change(function () {
      var p = place(selected), all = columns();
      if (!p) return null;
      var at = p.index + by;
      if (at >= 0 && at < p.count) return { op: "move", id: selected, column: p.address, index: at };
      var next = all[all.findIndex(function (c) { return c.address === p.address; }) + by];
      return next ? { op: "move", id: selected, column: next.address, index: by > 0 ? 0 : next.count } : null;
    });
  }
  function sideways(by) {
    if (getComputedStyle(page().documentElement).direction === "rtl") by = -by;
    change(function () {
      var p = place(selected), all = columns();
      var next = p && all[all.findIndex(function (c) { return c.address === p.address; }) + by];
      return next ? { op: "move", id: selected, column: next.address, index: Math.min(p.index, next.count) } : null;
    });
  }
  function remove() {
    change(function () { return sectionAt(selected) >= 0 ? { op: "section-remove", id: selected } : place(selected) ? { op: "remove", id: selected } : null; });
  }
  function configure() {
    panel("settings", true);
    var first = side.querySelector("form input, form select, form textarea, form [contenteditable]");
    if (first) first.focus();
  }
  function addWidget(name) {
    if (narrow.matches) panel("palette", false);
    change(function () {
      var at = aim();
      return { op: "add", widget: name, column: at.address, index: at.index };
    });
  }

  function key(e) {
    var mod = e.ctrlKey || e.metaKey, writing = e.target.closest && e.target.closest("input, textarea, select, [contenteditable]");
    if (writing || e.altKey) return;
    var k = e.key.toLowerCase();
    if (mod && k === "z" && !e.shiftKey) { e.preventDefault(); undo(); return; }
    if (mod && (k === "y" || k === "z")) { e.preventDefault(); redo(); return; }
    if (mod) return;
    if (moving) {
      var go = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1 }[e.key];
      if (go) { e.preventDefault(); stepMove(go); }
      if (e.key === "Enter" || e.key === " ") { e.preventDefault(); endMove(true); }
      if (e.key === "Escape" || e.key === "Tab") { e.preventDefault(); endMove(false); }
      return;
    }
    if (e.key === "Escape") { if (selected) { e.preventDefault(); select(""); } return; }
    var on = page().activeElement, widget = on && on.dataset && on.dataset.widgetId;
    var empty = on && on.dataset && on.dataset.column !== undefined;
    if (e.target.ownerDocument !== page()) return; // keys beside the page belong to the buttons there
    if (empty && (e.key === "Enter" || e.key === " ")) { e.preventDefault(); choose(on.dataset.column); return; }
    if (!widget) return;
    if ((e.key === "Enter" || e.key === " ") && widget !== selected) { e.preventDefault(); select(widget); return; }
    if (widget !== selected) return;
    var act = { ArrowUp: function () { nudge(-1); }, ArrowDown: function () { nudge(1); }, ArrowLeft: function () { sideways(-1); }, ArrowRight: function () { sideways(1); }, Enter: configure, Delete: remove, Backspace: remove, m: beginMove, M: beginMove }[e.key];
    if (act) { e.preventDefault(); act(); }
  }
  function choose(address) { column = address; selected = ""; show(); }

  // ---- Dragging ----------------------------------------------------------------------------------
  // Where something can be put is shown by one line that lies over the page, so that nothing of the page moves.
  function places(c) { // of a column: a line before each widget and one at the end, in pixels of the page in the middle
    var d = page(), box = c.getBoundingClientRect(), parts = Array.from(c.querySelectorAll(":scope > [data-widget-id]"));
    var rects = parts.map(function (w) { return w.getBoundingClientRect(); }), out = [], x = d.defaultView.scrollX, y = d.defaultView.scrollY;
    for (var i = 0; i <= parts.length; i++) {
      var before = rects[i - 1], after = rects[i];
      var at = before && after ? (before.bottom + after.top) / 2 : before ? before.bottom + 6 : after ? after.top - 6 : box.top + box.height / 2;
      out.push({ address: c.dataset.column, index: i, left: box.left + x, top: at + y, width: box.width });
    }
    return out;
  }
  function allPlaces() { return Array.from(page().querySelectorAll("[data-column]")).flatMap(places); }
  function drawLine(at, text) {
    var d = page(), line = d.querySelector(".drop-line");
    if (!at) { if (line) line.remove(); return; }
    if (!line) {
      line = make(d, "div", { class: "drop-line", "aria-hidden": "true" });
      d.body.append(line);
    }
    line.replaceChildren.apply(line, text ? [make(d, "span", {}, text)] : []);
    line.dataset.place = at.address + ":" + at.index;
    line.style.left = at.left + "px";
    line.style.top = at.top + "px";
    line.style.width = at.width + "px";
  }
  function endDrag() {
    var d = page();
    dragged = target = null;
    root.classList.remove("is-dragging");
    d.body.classList.remove("is-dragging");
    drawLine(null);
    each(document.querySelectorAll(".palette-item.is-dragged"), function (b) { b.classList.remove("is-dragged"); });
    each(d.querySelectorAll(".is-dragged"), function (b) { b.classList.remove("is-dragged"); });
  }
  function begin(e, what, el) {
    endMove(false);
    dragged = what;
    e.dataTransfer.effectAllowed = what.add ? "copy" : "move";
    e.dataTransfer.setData("text/plain", what.add || what.move);
    el.classList.add("is-dragged");
    root.classList.add("is-dragging");
    setTimeout(function () { if (dragged) page().body.classList.add("is-dragging"); }, 0); // changing the page inside dragstart would end the drag in some browsers
  }
  // nearest gives the place that is meant: in the column under the pointer, or in the closest one, the line that is closest.
  function nearest(e) {
    var hit = e.target.closest ? e.target : e.target.parentElement, col = hit && hit.closest("[data-column]"), far = Infinity, best = null;
    if (!col) each(page().querySelectorAll("[data-column]"), function (c) {
      var r = c.getBoundingClientRect(), off = Math.hypot(Math.max(r.left - e.clientX, 0, e.clientX - r.right), Math.max(r.top - e.clientY, 0, e.clientY - r.bottom));
      if (off < far) { far = off; col = c; }
    });
    if (!col) return null;
    far = Infinity;
    places(col).forEach(function (p) {
      var off = Math.abs(p.top - page().defaultView.scrollY - e.clientY);
      if (off < far) { far = off; best = p; }
    });
    return best;
  }
  function over(e) {
    if (!dragged) return;
    e.preventDefault();
    target = nearest(e);
    drawLine(target, words.drop);
  }
  function drop(e) {
    if (!dragged) return;
    e.preventDefault();
    var what = dragged, at = nearest(e) || target;
    endDrag();
    if (at) put(what, at);
  }
  // put adds or moves a widget to a place.
  function put(what, at) {
    if (what.add) { change({ op: "add", widget: what.add, column: at.address, index: at.index }); return; }
    change(function () {
      var p = place(what.move), index = at.index;
      if (!p) return null;
      if (p.address === at.address && index > p.index) index--; // it leaves its place first
      return p.address !== at.address || index !== p.index ? { op: "move", id: what.move, column: at.address, index: index } : null;
    });
  }

  // ---- Moving by keyboard: the same line goes from place to place --------------------------------------
  function beginMove() {
    var p = place(selected), list = allPlaces();
    if (!p || moving) return;
    moving = { id: selected, at: list.findIndex(function (x) { return x.address === p.address && x.index === p.index; }), was: Array.from(state.childNodes), bad: state.classList.contains("is-bad") };
    page().body.classList.add("is-dragging");
    element(selected).focus();
    say(words.moving, "busy");
    stepMove(0);
  }
  function stepMove(by) {
    var list = allPlaces(), p = place(moving.id);
    if (!p || !list.length) { endMove(false); return; }
    moving.at = Math.min(Math.max(moving.at + by, 0), list.length - 1);
    var own = list[moving.at].address === p.address && list[moving.at].index === p.index + 1; // the same place as before it
    if (own && by && moving.at + by >= 0 && moving.at + by < list.length) moving.at += by;
    drawLine(list[moving.at], words.drop);
    page().querySelector(".drop-line").scrollIntoView({ block: "nearest" });
  }
  function endMove(take) {
    if (!moving) return;
    var was = moving, at = allPlaces()[was.at];
    moving = null;
    page().body.classList.remove("is-dragging");
    drawLine(null);
    state.classList.toggle("is-bad", was.bad);
    state.replaceChildren.apply(state, was.was);
    if (take && at) put({ move: was.id }, at);
  }
  // Where a click in the palette puts a widget: below the selected one, or at the end of the chosen column.
  function aim() {
    var p = place(selected), all = columns();
    if (p) return { address: p.address, index: p.index + 1 };
    var c = all.find(function (x) { return x.address === column; });
    return c ? { address: c.address, index: c.count } : { address: "", index: -1 };
  }
  function showAim(on) {
    if (dragged || moving) return;
    var at = aim();
    drawLine(on && allPlaces().find(function (x) { return x.address === at.address && x.index === at.index; }));
  }

  // ---- Outline -----------------------------------------------------------------------------------
  function drawOutline() {
    outline.replaceChildren();
    function item(id, name, symbol) {
      var b = make(document, "button", { type: "button", class: "outline__item", "data-id": id }), li = make(document, "li");
      b.append(icon(symbol), make(document, "span", {}, name));
      li.append(b);
      return li;
    }
    sections().forEach(function (s, i) {
      var li = item(s.id, filled(words.section, i + 1), s.columns.length > 1 ? "columns" : "layout"), list = make(document, "ul");
      s.columns.forEach(function (c) { widgets(c).forEach(function (w) { list.append(item(w.id, (w.settings && w.settings.title) || nameOf(w), iconOf(w))); }); });
      if (list.children.length) li.append(list);
      outline.append(li);
    });
  }

  // ---- Settings ----------------------------------------------------------------------------------
  function fieldInput(name) { return document.getElementById("f-s." + name) || document.getElementById("f-" + name); }
  function wrong(input, text) {
    right(input);
    input.setAttribute("aria-invalid", "true");
    var p = make(document, "p", { class: "field__error", id: input.id + "-error", role: "alert" });
    p.append(icon("error"), " " + text);
    p.firstChild.classList.add("icon--small");
    input.closest(".field").append(p);
  }
  function right(input) {
    input.removeAttribute("aria-invalid");
    var p = document.getElementById(input.id + "-error");
    if (p) p.remove();
  }
  function settings() {
    if (shown === selected && side.children.length > 1) return;
    flush();
    shown = selected;
    var blank = side.querySelector("template[data-nothing]");
    each(Array.from(side.children), function (el) { if (el !== blank) el.remove(); });
    if (!selected) { side.append(blank.content.cloneNode(true)); return; }
    var wanted = selected;
    queue.then(function () { return window.stoa.call(base + "/part?id=" + encodeURIComponent(wanted)); }).then(function (r) {
      if (!r.ok) throw new Error("HTTP " + r.status);
      return r.text();
    }).then(function (html) {
      if (shown !== wanted) return;
      var doc = new DOMParser().parseFromString(html, "text/html");
      each(Array.from(side.children), function (el) { if (el !== blank) el.remove(); });
      each(Array.from(doc.body.children), function (el) { side.append(document.importNode(el, true)); });
      window.stoa.enhance(side);
      if (window.stoaEditor) window.stoaEditor.enhanceAll(side);
      each(side.querySelectorAll("input:not([type]), textarea"), function (el) { el.dir = "auto"; }); // of the language of the page, not of the panel
      if (window.stoaPicker) window.stoaPicker.enhanceAll(side);
      each(side.querySelectorAll("form[data-part]"), putBack);
    }).catch(function () { if (shown === wanted) { shown = ""; window.stoa.toast(words.noSettings, "bad"); } });
  }
  var timer = 0, pending = null;
  function values(f) {
    var out = {}, hidden = false;
    each(f.elements, function (el) {
      if (el.name === "hidden") hidden = el.checked;
      else if (el.name.indexOf("s.") === 0) out[el.name.slice(2)] = el.type === "checkbox" ? String(el.checked) : el.value;
    });
    return { op: "configure", id: f.dataset.part, settings: out, hidden: hidden };
  }
  function later(f, wait) {
    clearTimeout(timer);
    pending = f;
    say(words.notYet, "busy");
    timer = setTimeout(flush, wait);
  }
  function flush() {
    clearTimeout(timer);
    var f = pending;
    pending = null;
    if (!f) return;
    each(f.querySelectorAll("[aria-invalid]"), right);
    offer(f.dataset.partSection !== undefined ? { op: "section-style", id: f.dataset.part, style: f.elements.style.value } : values(f));
  }
  // What is typed stays here until the server has it: it is offered again, put back into its form, and asked about on leaving.
  var unsaved = new Map(), later10 = 0;
  function offer(order) {
    unsaved.set(order.id, order);
    send(function () {
      if (unsaved.get(order.id) !== order) return null; // typed on since
      if (place(order.id) || sectionAt(order.id) >= 0) return order;
      unsaved.delete(order.id);
      return null;
    }).then(function (a) {
      if (a && unsaved.get(order.id) === order) unsaved.delete(order.id);
      if (a) refresh();
      if (unsaved.size && !later10 && !broken) later10 = setTimeout(offerAgain, 10000);
    });
  }
  function offerAgain() {
    clearTimeout(later10);
    later10 = 0;
    if (broken || lock && !lock.mine()) return;
    unsaved.forEach(function (order) { if (!order.refused) offer(order); });
  }
  addEventListener("online", offerAgain);
  document.addEventListener("stoa:signed-in", offerAgain);
  function putBack(f) {
    var order = unsaved.get(f.dataset.part);
    if (!order) return;
    each(f.elements, function (el) {
      var name = el.name.indexOf("s.") === 0 ? el.name.slice(2) : "";
      if (el.name === "hidden" && order.hidden !== undefined) el.checked = order.hidden;
      else if (el.name === "style" && order.style !== undefined) el.value = order.style;
      else if (!name || !(name in order.settings)) return;
      else if (el.type === "checkbox") el.checked = order.settings[name] === "true";
      else { el.value = order.settings[name]; el.dispatchEvent(new Event("editor:set")); }
    });
    if (order.refused) { var el = fieldInput(order.refused[0]); if (el) wrong(el, order.refused[1]); }
  }
  side.addEventListener("input", function (e) {
    var f = e.target.closest("form[data-part]");
    if (f && e.target.name) later(f, 700);
  });
  side.addEventListener("change", function (e) {
    var f = e.target.closest("form[data-part]");
    if (f && e.target.name) later(f, 50);
  });
  side.addEventListener("submit", function (e) { e.preventDefault(); flush(); });

  // ---- Widths ------------------------------------------------------------------------------------
  // The page in the middle is as wide as on the device, and made smaller to fit. What lies over it keeps its size.
  var stage = root.querySelector(".stage"), room = root.querySelector(".editor__canvas"), scaleView = root.querySelector("[data-scale]");
  function fit() {
    var on = root.querySelector("[data-width][aria-pressed=true]"), style = getComputedStyle(room);
    var wide = room.clientWidth - parseFloat(style.paddingInlineStart) - parseFloat(style.paddingInlineEnd);
    var width = narrow.matches || !on ? wide : Number(on.dataset.width), k = Math.min(1, wide / width);
    var high = Math.max(320, room.getBoundingClientRect().bottom - stage.getBoundingClientRect().top - room.scrollTop - parseFloat(style.paddingBlockEnd));
    if (on && Number(on.dataset.high) && !narrow.matches) high = Math.min(high, Number(on.dataset.high) * k);
    stage.style.width = Math.floor(width * k) + "px";
    stage.style.height = Math.floor(high) + "px";
    frame.style.width = width + "px";
    frame.style.height = Math.ceil(high / k) + "px";
    frame.style.transform = k < 1 ? "scale(" + k + ")" : "none";
    if (scaleView) scaleView.textContent = width + " px" + (k < 1 ? " · " + new Intl.NumberFormat(document.documentElement.lang, { style: "percent" }).format(k) : "");
    if (page() && page().documentElement) page().documentElement.style.setProperty("--zoom", String(1 / k));
  }
  new ResizeObserver(fit).observe(room);

  // ---- Buttons -----------------------------------------------------------------------------------
  function panel(name, open) {
    root.classList.toggle("is-" + name + "-closed", !open);
    var b = root.querySelector("[data-panel=" + name + "]");
    if (b) b.setAttribute("aria-expanded", String(open));
  }
  root.addEventListener("click", function (e) {
    var b = e.target.closest("button");
    if (!b) return;
    if (b.dataset.panel) panel(b.dataset.panel, root.classList.contains("is-" + b.dataset.panel + "-closed"));
    else if (b.dataset.add) addWidget(b.dataset.add);
    else if (b.dataset.section) change({ op: "section-add", widths: b.dataset.section.split(",").map(Number) });
    else if (b.dataset.id) select(b.dataset.id, true);
    else if (b.dataset.width) {
      each(root.querySelectorAll("[data-width]"), function (x) { x.setAttribute("aria-pressed", String(x === b)); });
      fit();
    } else {
      var at = sectionAt(selected);
      var act = { undo: undo, redo: redo, remove: remove, deselect: function () { if (narrow.matches) panel("settings", false); select(""); },
        "section-up": function () { if (at > 0) change({ op: "section-move", id: selected, index: at - 1 }); },
        "section-down": function () { if (at >= 0 && at < sections().length - 1) change({ op: "section-move", id: selected, index: at + 1 }); } }[b.dataset.do];
      if (act) act();
    }
  });
  root.addEventListener("dragstart", function (e) {
    var b = e.target.closest("[data-add]");
    if (b) begin(e, { add: b.dataset.add }, b);
  });
  root.addEventListener("dragend", endDrag);
  var find = root.querySelector("[data-palette-search]"), none = root.querySelector("[data-palette-none]");
  find.addEventListener("input", function () { // in names and descriptions; Enter takes the first
    var parts = find.value.toLocaleLowerCase().split(/\s+/).filter(Boolean), left = 0;
    each(root.querySelectorAll("[data-palette] [data-add]"), function (b) {
      var text = (b.textContent + " " + b.title).toLocaleLowerCase(), fits = parts.every(function (p) { return text.includes(p); });
      b.parentElement.hidden = !fits;
      if (fits) left++;
    });
    none.textContent = left ? "" : none.dataset.said;
  });
  find.addEventListener("keydown", function (e) {
    var first = root.querySelector("[data-palette] li:not([hidden]) [data-add]");
    if (e.key === "Enter" && find.value && first) { e.preventDefault(); addWidget(first.dataset.add); }
    if (e.key === "Escape" && find.value) { e.stopPropagation(); find.value = ""; find.dispatchEvent(new Event("input")); }
  });
  ["focusin", "mouseover"].forEach(function (kind) { root.addEventListener(kind, function (e) { if (e.target.closest("[data-add]")) showAim(true); }); });
  ["focusout", "mouseout"].forEach(function (kind) { root.addEventListener(kind, function (e) { if (e.target.closest("[data-add]")) showAim(false); }); });
  document.addEventListener("keydown", key);
  // Publishing takes what is saved: it waits for what is on its way.
  form.addEventListener("submit", function (e) {
    flush();
    if (broken) { e.preventDefault(); return; }
    if (!waiting) {
      if (!unsaved.size || !e.submitter || e.submitter.value !== "publish") return;
      e.preventDefault();
      window.stoa.toast(root.dataset.unsaved, "warn");
      offerAgain();
      return;
    }
    e.preventDefault();
    var by = e.submitter;
    queue.then(function () { if (!broken) form.requestSubmit(by); });
  });
  window.addEventListener("beforeunload", function (e) { if (!gone && (pending || waiting || unsaved.size)) { flush(); e.preventDefault(); } });

  function begun() {
    var d = page();
    if (!d || d === dressed || !d.querySelector("main")) return;
    dressed = d; // the script and the frame may both come first
    fit();
    d.addEventListener("keydown", key);
    d.addEventListener("click", function (e) {
      var t = e.target.closest ? e.target : e.target.parentElement;
      if (t.closest("a, form button, summary")) e.preventDefault();
      var w = t.closest("[data-widget-id]"), c = t.closest("[data-column]");
      if (w) select(w.dataset.widgetId, true); else if (c) choose(c.dataset.column); else select("");
    });
    d.addEventListener("dblclick", function (e) { if (e.target.closest("[data-widget-id]")) configure(); });
    d.addEventListener("submit", function (e) { e.preventDefault(); });
    d.addEventListener("dragstart", function (e) {
      var w = e.target.closest && e.target.closest("[data-widget-id]");
      if (w) begin(e, { move: w.dataset.widgetId }, w); else e.preventDefault();
    });
    d.addEventListener("dragover", over);
    d.addEventListener("drop", drop);
    d.addEventListener("dragend", endDrag);
    dress();
    show();
  }
  document.addEventListener("stoa:lock", function (e) {
    if (e.detail.mine) { location.reload(); return; } // who had it meanwhile may have changed the draft
    select("");
    panel("palette", false);
    panel("settings", false);
    each(form.querySelectorAll("button"), function (b) { b.disabled = true; });
    say(words.reads, "bad");
  });
  document.addEventListener("stoa:other", function () { // another person signed in: nothing of this window is sent any more
    broken = gone = true;
    pending = null;
    unsaved.clear();
    clearTimeout(timer);
  });
  frame.addEventListener("load", begun);
  if (frame.contentDocument && frame.contentDocument.readyState === "complete" && frame.contentDocument.querySelector("main")) begun();
  if (narrow.matches) { panel("palette", false); panel("settings", false); }
  buttons();
})();
