// The page editor. The server keeps the layout: every change is one small order to it, answered with the new layout;
// the page in the middle is then fetched again. Works with the mouse, by touch and by keyboard.
(function () {
  "use strict";
  var root = document.querySelector("[data-page-editor]");
  if (!root) return;
  var base = "/control/pages/" + root.dataset.page, frame = root.querySelector("iframe"), side = root.querySelector("[data-settings]");
  var form = root.querySelector("[data-publish]"), state = root.querySelector("[data-state]"), outline = root.querySelector("[data-outline]");
  var kinds = JSON.parse(root.dataset.kinds), layout = JSON.parse(root.dataset.layout), draft = Number(root.dataset.draft);
  var selected = "", undone = [], done = [], queue = Promise.resolve(), waiting = 0, broken = false, shown = "", dragged = null, column = "", dressed = null;
  var lock = window.stoa.lock; // absent where editors are not told of each other
  var narrow = window.matchMedia("(max-width: 64rem)"); // the panels lie over the page then
  var icon = window.stoa.icon;

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
  function stop(message) { // somebody else was faster, or this person may not any more: nothing else can be saved
    broken = true;
    say("Not saved", "bad");
    window.stoa.toast(message, "bad");
    var box = document.querySelector(".toasts .toast:last-child > div");
    if (!box) return;
    var again = make(document, "button", { type: "button", class: "button button--small" }, "Load again");
    again.addEventListener("click", function () { location.reload(); });
    box.append(document.createElement("br"), again);
  }
  // send gives an order to the server, one after the other. It resolves to the answer, or to null.
  function send(order, remember) {
    waiting++;
    var job = queue.then(function () {
      if (broken) return null;
      if (lock && !lock.mine()) { say("Not saved", "bad"); return null; }
      say("Saving", "busy");
      var before = layout;
      var body = typeof order === "function" ? order() : order;
      if (!body) return null;
      return fetch(base + "/draft", { method: "POST", headers: { "Content-Type": "application/json", Accept: "application/json" }, credentials: "same-origin", redirect: "manual",
        body: JSON.stringify(Object.assign({ index: -1 }, body, { draftVersion: draft, lock: root.dataset.lockId })) }).then(function (r) {
        if (r.type === "opaqueredirect") { stop("You are signed out. Sign in again in another window, then load this page again."); return null; }
        return r.json().then(function (a) { return { status: r.status, answer: a }; }, function () { return { status: r.status, answer: {} }; });
      }).then(function (got) {
        if (!got) return null;
        if (got.status === 409 && got.answer.field === "lock" && lock) { say("Not saved", "bad"); lock.ask(); return null; }
        if (got.status === 409 || got.status === 403) { stop(got.answer.message); return null; }
        if (got.status !== 200) {
          say("Not saved", "bad");
          var about = got.answer.field && fieldInput(got.answer.field);
          var text = got.answer.message || "The change could not be saved. Try again in a moment.";
          if (about) wrong(about, text); else window.stoa.toast(text, "bad");
          return null;
        }
        draft = got.answer.draftVersion;
        form.elements.draft.value = draft;
        layout = got.answer.layout;
        if (remember !== "undo") done.push(before);
        if (remember === "undo") undone.push(before);
        else if (remember !== "redo") undone = [];
        if (done.length > 100) done.shift();
        say("Saved " + new Date().toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" }));
        markDraft();
        buttons();
        return got.answer;
      }, function () {
        say("Not saved", "bad");
        window.stoa.toast("The server could not be reached. Try again in a moment.", "bad");
        return null;
      });
    });
    queue = job.then(function () { waiting--; }, function (e) { waiting--; console.error(e); });
    return job;
  }
  function markDraft() {
    each([root, side.querySelector("template").content], function (where) { each(where.querySelectorAll("[data-discard]"), function (el) { el.hidden = false; }); });
    var pill = root.querySelector("[data-pill] .pill");
    if (pill && pill.textContent === "Published") { pill.textContent = "Published, with a draft"; pill.className = "pill pill--info"; }
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
    return fetch(base + "/canvas", { credentials: "same-origin", redirect: "manual" }).then(function (r) {
      if (!r.ok) throw new Error("HTTP " + r.status);
      return r.text();
    }).then(function (html) {
      var next = new DOMParser().parseFromString(html, "text/html").querySelector("main"), main = page() && page().querySelector("main");
      if (!main || !next) return;
      main.replaceChildren.apply(main, Array.from(page().importNode(next, true).childNodes));
      dress();
      show(focus);
    }).catch(function () { window.stoa.toast("The page could not be shown again. Load this page again.", "bad"); });
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
      w.setAttribute("aria-label", w.dataset.widgetName);
      w.append(make(d, "div", { class: "widget-cover" }));
    });
    if (!sections().length) {
      var blank = make(d, "div", { class: "canvas-column is-empty", "data-column": "" });
      blank.append(make(d, "span", {}, "This page is empty. Drag a widget here, or click one in the palette."));
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
        text.textContent = on ? "Chosen: click a widget in the palette to put it here" : "Drop a widget here, or choose this column and click one in the palette";
      }
    });
    each(outline.querySelectorAll("[data-id]"), function (b) { if (b.dataset.id === selected) b.setAttribute("aria-current", "true"); else b.removeAttribute("aria-current"); });
    if (el && el.dataset.widgetId) {
      column = place(selected) ? place(selected).address : column;
      el.classList.add("is-selected");
      var bar = make(d, "div", { class: "canvas-toolbar", role: "toolbar", "aria-label": el.dataset.widgetName });
      bar.append(make(d, "span", { class: "canvas-toolbar__name" }, el.dataset.widgetName),
        tool(d, "arrow-up", "Move up", function () { nudge(-1); }), tool(d, "arrow-down", "Move down", function () { nudge(1); }),
        tool(d, "settings", "Configure", configure), tool(d, "trash", "Remove", remove));
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
    change({ op: "add", widget: name, column: columns().some(function (c) { return c.address === column; }) ? column : "" });
  }

  function key(e) {
    var mod = e.ctrlKey || e.metaKey, writing = e.target.closest && e.target.closest("input, textarea, select, [contenteditable]");
    if (writing || e.altKey) return;
    var k = e.key.toLowerCase();
    if (mod && k === "z" && !e.shiftKey) { e.preventDefault(); undo(); return; }
    if (mod && (k === "y" || k === "z")) { e.preventDefault(); redo(); return; }
    if (mod) return;
    if (e.key === "Escape") { if (selected) { e.preventDefault(); select(""); } return; }
    var on = page().activeElement, widget = on && on.dataset && on.dataset.widgetId;
    var empty = on && on.dataset && on.dataset.column !== undefined;
    if (e.target.ownerDocument !== page()) return; // keys beside the page belong to the buttons there
    if (empty && (e.key === "Enter" || e.key === " ")) { e.preventDefault(); choose(on.dataset.column); return; }
    if (!widget) return;
    if ((e.key === "Enter" || e.key === " ") && widget !== selected) { e.preventDefault(); select(widget); return; }
    if (widget !== selected) return;
    var act = { ArrowUp: function () { nudge(-1); }, ArrowDown: function () { nudge(1); }, ArrowLeft: function () { sideways(-1); }, ArrowRight: function () { sideways(1); }, Enter: configure, Delete: remove, Backspace: remove }[e.key];
    if (act) { e.preventDefault(); act(); }
  }
  function choose(address) { column = address; selected = ""; show(); }

  // ---- Dragging ----------------------------------------------------------------------------------
  function zones() {
    var d = page();
    if (!dragged) return;
    d.body.classList.add("is-dragging");
    root.classList.add("is-dragging");
    each(d.querySelectorAll("[data-column]"), function (c) {
      var parts = Array.from(c.querySelectorAll(":scope > [data-widget-id]"));
      if (c.classList.replace("is-empty", "was-empty")) c.firstElementChild.hidden = true;
      parts.forEach(function (w, i) { w.before(make(d, "div", { class: "drop-zone", "data-index": i }, "Drop here")); });
      c.append(make(d, "div", { class: "drop-zone", "data-index": parts.length }, "Drop here"));
    });
  }
  function endDrag() {
    var d = page();
    dragged = null;
    root.classList.remove("is-dragging");
    d.body.classList.remove("is-dragging");
    each(d.querySelectorAll(".drop-zone"), function (z) { z.remove(); });
    each(d.querySelectorAll(".was-empty"), function (c) { c.classList.replace("was-empty", "is-empty"); c.firstElementChild.hidden = false; });
    each(document.querySelectorAll(".palette-item.is-dragged"), function (b) { b.classList.remove("is-dragged"); });
    each(d.querySelectorAll(".is-dragged"), function (b) { b.classList.remove("is-dragged"); });
  }
  function begin(e, what, el) {
    dragged = what;
    e.dataTransfer.effectAllowed = what.add ? "copy" : "move";
    e.dataTransfer.setData("text/plain", what.add || what.move);
    el.classList.add("is-dragged");
    setTimeout(zones, 0); // changing the page inside dragstart would end the drag in some browsers
  }
  // nearest gives the drop zone that is meant: the one under the pointer, or the closest in the column.
  function nearest(e) {
    var hit = e.target.closest ? e.target : e.target.parentElement, zone = hit && hit.closest(".drop-zone"), col = hit && hit.closest("[data-column]");
    if (zone || !col) return zone;
    var best = null, far = Infinity;
    each(col.querySelectorAll(".drop-zone"), function (z) {
      var r = z.getBoundingClientRect(), off = Math.abs(r.top + r.height / 2 - e.clientY);
      if (off < far) { far = off; best = z; }
    });
    return best;
  }
  function over(e) {
    if (!dragged) return;
    var zone = nearest(e);
    each(page().querySelectorAll(".drop-zone.is-over"), function (z) { if (z !== zone) z.classList.remove("is-over"); });
    if (!zone) return;
    e.preventDefault();
    zone.classList.add("is-over");
  }
  function drop(e) {
    if (!dragged) return;
    e.preventDefault();
    var zone = nearest(e), what = dragged;
    if (!zone) { endDrag(); return; }
    var address = zone.closest("[data-column]").dataset.column, at = Number(zone.dataset.index);
    endDrag();
    if (what.add) { change({ op: "add", widget: what.add, column: address, index: at }); return; }
    var p = place(what.move);
    if (!p) return;
    if (p.address === address && at > p.index) at--; // it leaves its place first
    if (p.address !== address || at !== p.index) change({ op: "move", id: what.move, column: address, index: at });
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
      var li = item(s.id, "Section " + (i + 1), s.columns.length > 1 ? "columns" : "layout"), list = make(document, "ul");
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
    queue.then(function () { return fetch(base + "/part?id=" + encodeURIComponent(wanted), { credentials: "same-origin", redirect: "manual" }); }).then(function (r) {
      if (!r.ok) throw new Error("HTTP " + r.status);
      return r.text();
    }).then(function (html) {
      if (shown !== wanted) return;
      var doc = new DOMParser().parseFromString(html, "text/html");
      each(Array.from(side.children), function (el) { if (el !== blank) el.remove(); });
      each(Array.from(doc.body.children), function (el) { side.append(document.importNode(el, true)); });
      window.stoa.enhance(side);
      if (window.stoaEditor) window.stoaEditor.enhanceAll(side);
    }).catch(function () { if (shown === wanted) { shown = ""; window.stoa.toast("The settings could not be shown. Select the widget again.", "bad"); } });
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
    say("Not saved yet", "busy");
    timer = setTimeout(flush, wait);
  }
  function flush() {
    clearTimeout(timer);
    var f = pending;
    pending = null;
    if (!f) return;
    each(f.querySelectorAll("[aria-invalid]"), right);
    if (f.dataset.partSection !== undefined) change({ op: "section-style", id: f.dataset.part, style: f.elements.style.value }, true);
    else change(values(f), true);
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
      var stage = root.querySelector(".stage");
      each(root.querySelectorAll("[data-width]"), function (x) { x.setAttribute("aria-pressed", String(x === b)); stage.classList.toggle("stage--" + x.dataset.width, x === b); });
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
  document.addEventListener("keydown", key);
  // Publishing takes what is saved: it waits for what is on its way.
  form.addEventListener("submit", function (e) {
    flush();
    if (broken) { e.preventDefault(); return; }
    if (!waiting) return;
    e.preventDefault();
    var by = e.submitter;
    queue.then(function () { if (!broken) form.requestSubmit(by); });
  });
  window.addEventListener("beforeunload", function (e) { if (pending || waiting) { flush(); e.preventDefault(); } });

  function begun() {
    var d = page();
    if (!d || d === dressed || !d.querySelector("main")) return;
    dressed = d; // the script and the frame may both come first
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
    say("Only to read", "bad");
  });
  frame.addEventListener("load", begun);
  if (frame.contentDocument && frame.contentDocument.readyState === "complete" && frame.contentDocument.querySelector("main")) begun();
  if (narrow.matches) { panel("palette", false); panel("settings", false); }
  buttons();
})();
