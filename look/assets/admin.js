// Behaviour of the control panel. Every form and link works without it; README.md lists the attributes.
(function () {
  "use strict";
  var root = document.documentElement, body = document.body;
  var icons = new URL("icons.svg", document.currentScript.src).pathname;
  root.classList.add("js");

  // The words come from the page, in the language of the person: <template id="words" data-words="JSON">.
  var words = {}, given = document.getElementById("words");
  try { words = JSON.parse(given ? given.dataset.words : "{}"); } catch (e) { console.warn("data-words is not JSON", e); }
  function word(name, values) {
    return (words[name] || "").replace(/\{(\w+)\}/g, function (all, key) { return values && key in values ? values[key] : all; });
  }
  function make(tag, attrs) {
    var el = document.createElement(tag);
    Object.keys(attrs || {}).forEach(function (k) { if (k === "text") el.textContent = attrs[k]; else el.setAttribute(k, attrs[k]); });
    for (var i = 2; i < arguments.length; i++) if (arguments[i]) el.append(arguments[i]);
    return el;
  }
  function icon(name) {
    var ns = "http://www.w3.org/2000/svg", svg = document.createElementNS(ns, "svg"), use = document.createElementNS(ns, "use");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    use.setAttribute("href", icons + "#" + name);
    svg.append(use);
    return svg;
  }
  function keep(key, value) {
    try { if (value) localStorage.setItem(key, value); else localStorage.removeItem(key); } catch (e) { /* storage blocked: not remembered */ }
  }
  function closest(e, selector) { return e.target instanceof Element ? e.target.closest(selector) : null; }

  // ---- Toasts ----------------------------------------------------------------------------------
  function toast(text, kind) {
    var box = document.querySelector(".toasts") || body.appendChild(make("div", { class: "toasts", role: "status", "aria-live": "polite" }));
    var item = make("div", { class: "notice toast notice--" + (kind || "ok") }, icon({ bad: "error", warn: "warning", info: "info" }[kind] || "check-circle"), make("div", { text: text }));
    box.append(item);
    armToast(item, kind || "ok");
  }
  function armToast(item, kind) {
    var button = make("button", { type: "button", class: "button button--quiet button--icon button--small", "aria-label": word("close") }, icon("close"));
    button.addEventListener("click", function () { item.remove(); });
    item.append(button);
    if (kind === "bad" || kind === "warn" || item.dataset.stays !== undefined) return; // trouble stays until it was read
    var timer, start = function () { timer = setTimeout(function () { item.remove(); }, 6000); };
    item.addEventListener("mouseenter", function () { clearTimeout(timer); });
    item.addEventListener("mouseleave", start);
    start();
  }
  body.addEventListener("toast", function (e) { toast(e.detail.text || e.detail.value, e.detail.kind); });
  body.addEventListener("htmx:sendError", function () { toast(word("failed"), "bad"); });

  // ---- Shell: drawer, rail, theme, shortcuts ---------------------------------------------------
  function drawer(open) {
    body.classList.toggle("drawer-open", open);
    document.querySelectorAll("[data-drawer]").forEach(function (b) { b.setAttribute("aria-expanded", String(open)); });
    if (open) { var first = document.querySelector(".rail a"); if (first) first.focus(); }
  }
  function showTheme() {
    var now = root.getAttribute("data-theme") || "system";
    document.querySelectorAll("[data-theme-switch] use").forEach(function (use) {
      use.setAttribute("href", icons + "#" + ({ light: "sun", dark: "moon" }[now] || "theme"));
    });
  }
  function switchTheme() {
    var next = { light: "dark", dark: "" }[root.getAttribute("data-theme") || ""];
    if (next === undefined) next = "light";
    if (next) root.setAttribute("data-theme", next); else root.removeAttribute("data-theme");
    keep("stoa.theme", next);
    showTheme();
  }

  document.addEventListener("click", function (e) {
    var el;
    if (closest(e, "[data-drawer]")) return drawer(!body.classList.contains("drawer-open"));
    if (closest(e, ".drawer-veil")) return drawer(false);
    if (closest(e, "[data-theme-switch]")) return switchTheme();
    if (closest(e, "[data-rail]")) return keep("stoa.rail", root.classList.toggle("rail-narrow") ? "narrow" : "");
    if ((el = closest(e, "[data-dialog]"))) {
      var dialog = document.getElementById(el.dataset.dialog);
      if (dialog && dialog.showModal) { e.preventDefault(); dialog.showModal(); }
      return;
    }
    if ((el = closest(e, "[data-close]"))) {
      var open = el.closest("dialog");
      if (open) { e.preventDefault(); open.close(); }
      return;
    }
    if ((el = closest(e, "[data-copy]"))) {
      navigator.clipboard.writeText(el.dataset.copy).then(function () { toast(word("copied"), "ok"); }, function (err) { console.warn(err); });
      return;
    }
    if ((el = closest(e, "[data-repeat-add]"))) return repeatAdd(el);
    if ((el = closest(e, "[data-repeat-remove]"))) return repeatRemove(el);
    if ((el = closest(e, "[data-move]"))) return moveItem(el.closest("[data-sortable] > *"), el.dataset.move === "up" ? -1 : 1, el);
    if (e.target instanceof HTMLDialogElement && e.target.hasAttribute("data-light")) e.target.close();
  });
  document.addEventListener("keydown", function (e) {
    if (e.key === "Escape") { closeMenus(null); if (body.classList.contains("drawer-open")) drawer(false); }
    if ((e.ctrlKey || e.metaKey) && e.key === "s") {
      var form = document.querySelector("form[data-dirty]");
      if (form) { e.preventDefault(); form.requestSubmit(form.querySelector(".save-bar .button--primary, .save-bar [type=submit]")); }
      return;
    }
    if (e.ctrlKey || e.metaKey || e.altKey || closest(e, "input, textarea, select, [contenteditable=true], dialog[open]")) return;
    if (e.key === "/") {
      var search = document.querySelector("[data-search]");
      if (search) { e.preventDefault(); search.focus(); search.select(); }
    }
    if (e.key === "?") { var help = document.getElementById("shortcuts"); if (help && help.showModal) help.showModal(); }
  });

  // ---- Menus: <details class="menu-button"> lifted into the top layer ----------------------------
  function closeMenus(except) {
    document.querySelectorAll("details.menu-button[open]").forEach(function (d) {
      if (d === except) return;
      var had = d.contains(document.activeElement);
      d.open = false;
      if (had && !except) d.querySelector("summary").focus();
    });
  }
  function placeMenu(details) {
    var list = details.querySelector(".menu-list"), at = details.querySelector("summary").getBoundingClientRect(), size = list.getBoundingClientRect();
    var start = list.classList.contains("menu-list--start") !== (getComputedStyle(details).direction === "rtl");
    var left = start ? at.left : at.right - size.width;
    var top = at.bottom + 4 + size.height > innerHeight && at.top > size.height ? at.top - size.height - 4 : at.bottom + 4;
    Object.assign(list.style, { position: "fixed", inset: "auto", left: Math.max(8, Math.min(left, innerWidth - size.width - 8)) + "px", top: top + "px" });
  }
  document.addEventListener("toggle", function (e) {
    var details = e.target;
    if (!(details instanceof HTMLDetailsElement) || !details.classList.contains("menu-button")) return;
    var list = details.querySelector(".menu-list");
    if (!list || !list.showPopover) return;
    if (!details.open) { if (list.matches(":popover-open")) list.hidePopover(); return; }
    closeMenus(details);
    list.popover = "manual";
    list.showPopover();
    placeMenu(details);
  }, true);
  document.addEventListener("click", function (e) {
    var inside = closest(e, "details.menu-button");
    if (!inside || closest(e, ".menu-list a, .menu-list button")) closeMenus(null); else closeMenus(inside);
  });
  // A menu stays with its button: the scrolling that brought the button into view may end only after the click.
  addEventListener("scroll", function (e) {
    if (e.target instanceof Element && e.target.closest(".menu-list")) return;
    document.querySelectorAll("details.menu-button[open]").forEach(function (d) {
      var at = d.querySelector("summary").getBoundingClientRect(), list = d.querySelector(".menu-list");
      if (at.bottom < 0 || at.top > innerHeight) closeMenus(null); else if (list && list.matches(":popover-open")) placeMenu(d);
    });
  }, true);
  document.addEventListener("keydown", function (e) {
    var details = closest(e, "details.menu-button");
    if (!details || !details.open || !/^(Arrow(Up|Down)|Home|End)$/.test(e.key)) return;
    var items = Array.from(details.querySelectorAll(".menu-list :is(a, button):not(:disabled)"));
    if (!items.length) return;
    e.preventDefault();
    var at = items.indexOf(document.activeElement);
    var next = e.key === "Home" ? 0 : e.key === "End" ? items.length - 1 : at + (e.key === "ArrowDown" ? 1 : -1);
    items[(next + items.length) % items.length].focus();
  });

  // ---- Destructive things ask with the name of the thing -----------------------------------------
  document.addEventListener("submit", function (e) {
    var form = e.target, from = e.submitter && e.submitter.dataset.confirm !== undefined ? e.submitter : form;
    if (from.dataset.confirm === undefined || form.dataset.confirmed) { form.removeAttribute("data-confirmed"); return; }
    e.preventDefault();
    e.stopImmediatePropagation();
    ask(from, function () { form.dataset.confirmed = "yes"; form.requestSubmit(e.submitter); });
  }, true);
  function ask(from, yes) {
    var name = from.dataset.confirmType;
    var ok = make("button", { type: "submit", class: "button " + (from.dataset.confirmKind === "plain" ? "button--primary" : "button--danger"), text: from.dataset.confirmButton || word("confirm") });
    var no = make("button", { type: "button", class: "button", "data-close": "", text: word("cancel") });
    var input = name && make("input", { class: "input", autocomplete: "off", "aria-label": word("typeName", { name: name }) });
    var dialog = make("dialog", { class: "dialog", "aria-labelledby": "ask-title" },
      make("form", { method: "dialog" },
        make("div", { class: "dialog__head" }, make("h2", { class: "dialog__title", id: "ask-title", text: from.dataset.confirm })),
        make("div", { class: "dialog__body" }, from.dataset.confirmText && make("p", { text: from.dataset.confirmText }), name && make("p", { text: word("typeName", { name: name }) }), input),
        make("div", { class: "dialog__foot" }, no, ok)));
    if (input) { ok.disabled = true; input.addEventListener("input", function () { ok.disabled = input.value.trim() !== name.trim(); }); }
    dialog.querySelector("form").addEventListener("submit", function (e) { e.stopPropagation(); dialog.returnValue = "yes"; });
    ok.value = "yes";
    dialog.addEventListener("close", function () { var go = dialog.returnValue === "yes"; dialog.remove(); if (go) yes(); });
    body.append(dialog);
    dialog.showModal();
    (input || no).focus();
  }

  // ---- Bulk selection ----------------------------------------------------------------------------
  var lastPick = null;
  function showBulk(form) {
    var picks = Array.from(form.querySelectorAll("[data-pick]")), n = picks.filter(function (p) { return p.checked; }).length;
    form.querySelectorAll(".bulk").forEach(function (bar) { bar.classList.toggle("is-shown", n > 0); });
    var rest = form.querySelector("[data-pick-rest]"), chosen = n;
    if (rest && n < picks.length) rest.checked = false;
    if (rest && rest.checked) chosen = Number(rest.dataset.pickRest); // with what is on other pages
    form.querySelectorAll("[data-bulk-count]").forEach(function (el) { el.textContent = !chosen ? "" : chosen === 1 ? word("one") : word("many", { n: chosen.toLocaleString(root.lang || undefined) }); });
    form.querySelectorAll("[data-pick-all]").forEach(function (all) { all.checked = n > 0 && n === picks.length; all.indeterminate = n > 0 && n < picks.length; });
  }
  document.addEventListener("click", function (e) {
    var pick = closest(e, "[data-pick]"), form = pick && pick.closest("[data-bulk]");
    if (!form) return;
    var picks = Array.from(form.querySelectorAll("[data-pick]"));
    if (e.shiftKey && lastPick && picks.includes(lastPick)) {
      var a = picks.indexOf(lastPick), b = picks.indexOf(pick);
      picks.slice(Math.min(a, b), Math.max(a, b) + 1).forEach(function (p) { p.checked = pick.checked; });
    }
    lastPick = pick;
    showBulk(form);
  });
  document.addEventListener("change", function (e) {
    var el;
    if ((el = closest(e, "[data-pick-all], [data-pick-rest]"))) {
      var form = el.closest("[data-bulk]");
      if (el.checked || el.dataset.pickAll !== undefined) form.querySelectorAll("[data-pick]").forEach(function (p) { p.checked = el.checked; });
      return showBulk(form);
    }
    if ((el = closest(e, "[data-pick]")) && el.closest("[data-bulk]")) return showBulk(el.closest("[data-bulk]"));
    if ((el = closest(e, "[data-auto-submit]"))) el.form.requestSubmit();
  });

  // ---- Unsaved changes ---------------------------------------------------------------------------
  var dirty = new Set();
  function mark(form, changed) {
    if (changed) dirty.add(form); else dirty.delete(form);
    form.querySelectorAll(".save-bar").forEach(function (bar) { bar.classList.toggle("is-dirty", changed); });
    form.querySelectorAll("[data-save-state]").forEach(function (el) {
      if (el.dataset.clean === undefined) el.dataset.clean = el.textContent;
      el.textContent = changed ? el.dataset.unsaved || word("unsaved") : el.dataset.clean || word("saved");
    });
  }
  ["input", "change"].forEach(function (type) {
    document.addEventListener(type, function (e) { var form = e.target.form && e.target.form.closest("form[data-dirty]"); if (form) mark(form, true); });
  });
  document.addEventListener("reset", function (e) { if (dirty.has(e.target)) mark(e.target, false); });
  document.addEventListener("submit", function (e) { if (!e.defaultPrevented) dirty.delete(e.target); });
  addEventListener("beforeunload", function (e) { // what the server keeps as typed may be left
    if (Array.from(dirty).some(function (form) { return form.dataset.kept === undefined; })) e.preventDefault();
  });
  document.addEventListener("submit", function (e) { // who signs out leaves no text in the browser
    if (!e.target.getAttribute || e.target.getAttribute("action") !== "/sign-out") return;
    try { Object.keys(localStorage).forEach(function (k) { if (k.startsWith("stoa.autosave.")) localStorage.removeItem(k); }); } catch (err) { /* storage blocked: there is nothing */ }
  });
  body.addEventListener("htmx:afterRequest", function (e) { if (e.detail.successful && e.target.matches("form[data-dirty]")) mark(e.target, false); });

  // ---- Lists that people order and extend --------------------------------------------------------
  function changed(el) { var form = el.closest("form"); if (form) form.dispatchEvent(new Event("change", { bubbles: true })); var d = el.closest("form[data-dirty]"); if (d) mark(d, true); }
  function moveItem(item, by, focus) {
    if (!item) return;
    var list = item.parentElement, other = by < 0 ? item.previousElementSibling : item.nextElementSibling;
    if (!other) return;
    if (by < 0) other.before(item); else other.after(item);
    if (focus) focus.focus();
    list.dispatchEvent(new CustomEvent("sorted", { bubbles: true, detail: { item: item } }));
    changed(list);
  }
  document.addEventListener("keydown", function (e) {
    if (!e.altKey || (e.key !== "ArrowUp" && e.key !== "ArrowDown")) return;
    var item = closest(e, "[data-sortable] > *");
    if (item) { e.preventDefault(); moveItem(item, e.key === "ArrowUp" ? -1 : 1, document.activeElement); }
  });
  var dragged = null;
  document.addEventListener("pointerdown", function (e) { var handle = closest(e, "[data-drag]"); if (handle) { var item = handle.closest("[data-sortable] > *"); if (item) item.draggable = true; } });
  document.addEventListener("dragstart", function (e) { if (e.target instanceof Element && e.target.matches("[data-sortable] > *")) { dragged = e.target; e.dataTransfer.effectAllowed = "move"; dragged.classList.add("is-dragged"); } });
  document.addEventListener("dragover", function (e) {
    var over = dragged && closest(e, "[data-sortable] > *");
    if (!over || over === dragged || over.parentElement !== dragged.parentElement) return;
    e.preventDefault();
    var box = over.getBoundingClientRect();
    if (e.clientY < box.top + box.height / 2) over.before(dragged); else over.after(dragged);
  });
  document.addEventListener("dragend", function () {
    if (!dragged) return;
    dragged.draggable = false;
    dragged.classList.remove("is-dragged");
    var list = dragged.parentElement;
    list.dispatchEvent(new CustomEvent("sorted", { bubbles: true, detail: { item: dragged } }));
    changed(list);
    dragged = null;
  });
  function repeatAdd(button) {
    var list = document.getElementById(button.dataset.repeatAdd), template = document.getElementById(button.dataset.repeatTemplate);
    var n = Number(list.dataset.next || list.children.length);
    list.dataset.next = n + 1;
    var copy = template.content.cloneNode(true);
    copy.querySelectorAll("*").forEach(function (el) {
      Array.from(el.attributes).forEach(function (a) { if (a.value.includes("__n__")) a.value = a.value.replaceAll("__n__", n); });
    });
    var first = copy.querySelector("input, select, textarea");
    enhance(copy);
    list.append(copy);
    if (first) first.focus();
    changed(list);
  }
  function repeatRemove(button) {
    var item = button.closest("[data-repeat-item]"), list = item.parentElement;
    item.remove();
    changed(list);
  }

  // ---- Files: dropped or chosen, and sent at once where nothing else is to be filled in ------------
  ["dragover", "dragleave", "drop"].forEach(function (type) {
    document.addEventListener(type, function (e) {
      var drop = closest(e, "[data-drop]"), input = drop && drop.querySelector("input[type=file]");
      if (!input || dragged) return;
      e.preventDefault();
      drop.classList.toggle("is-over", type === "dragover");
      if (type !== "drop" || !e.dataTransfer.files.length || input.disabled) return;
      input.files = e.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  });
  document.addEventListener("change", function (e) {
    var input = closest(e, "[data-drop=submit] input[type=file]");
    if (input && input.files.length) input.form.requestSubmit();
  });
  document.addEventListener("submit", function (e) {
    if (e.target.dataset.upload === undefined) return;
    e.preventDefault();
    upload(e.target);
  });
  function upload(form) {
    var data = new FormData(form), input = form.querySelector("input[type=file]"), request = new XMLHttpRequest();
    var names = Array.from(input.files, function (f) { return f.name; }).join(", ");
    var part = make("span", { class: "upload__part" }), bar = make("progress", { max: "1", "aria-label": form.dataset.upload });
    var cancel = make("button", { type: "button", class: "button button--small", text: word("cancel") });
    var box = make("div", { class: "upload" }, make("span", { class: "upload__name", text: form.dataset.upload + " " + names }), bar, part, cancel);
    var leaving = function (e) { e.preventDefault(); };
    function end() {
      removeEventListener("beforeunload", leaving);
      box.remove();
      input.disabled = false;
      input.value = "";
    }
    input.disabled = true;
    form.append(box);
    addEventListener("beforeunload", leaving);
    cancel.addEventListener("click", function () { request.abort(); });
    request.upload.addEventListener("progress", function (e) {
      if (!e.lengthComputable) return;
      bar.value = e.loaded / e.total;
      part.textContent = (Math.floor(100 * e.loaded / e.total) / 100).toLocaleString(root.lang || undefined, { style: "percent" });
      if (e.loaded === e.total) bar.removeAttribute("value"); // all is sent, and the server at work
    });
    request.addEventListener("abort", end);
    request.addEventListener("error", function () { end(); toast(word("failed"), "bad"); });
    request.addEventListener("load", function () {
      end();
      if (request.status < 400) return location.assign(request.responseURL);
      var main = request.response && request.response.querySelector("main");
      if (!main) return toast(word("failed"), "bad");
      main = document.importNode(main, true); // it says what was wrong
      document.querySelector("main").replaceWith(main);
      enhance(main);
      var errors = main.querySelector("[role=alert]");
      if (errors) errors.focus();
    });
    request.open("POST", form.action);
    request.responseType = "document";
    if (body.dataset.person) request.setRequestHeader("Stoa-Person", body.dataset.person);
    request.send(data);
  }

  // ---- Tabs over sections of one screen ----------------------------------------------------------
  function tabs(list) {
    var all = Array.from(list.querySelectorAll("a[href^='#']"));
    function panel(tab) { return document.getElementById(decodeURIComponent(tab.hash.slice(1))); }
    function select(tab, focus) {
      all.forEach(function (t) {
        t.setAttribute("aria-selected", String(t === tab));
        t.tabIndex = t === tab ? 0 : -1;
        if (panel(t)) panel(t).hidden = t !== tab;
      });
      if (focus) tab.focus();
    }
    list.setAttribute("role", "tablist");
    all.forEach(function (tab, i) {
      var p = panel(tab);
      tab.setAttribute("role", "tab");
      tab.id = tab.id || "tab-" + tab.hash.slice(1);
      if (p) { tab.setAttribute("aria-controls", p.id); p.setAttribute("role", "tabpanel"); p.setAttribute("aria-labelledby", tab.id); }
      tab.addEventListener("click", function (e) { e.preventDefault(); select(tab); history.replaceState(null, "", tab.hash); });
      tab.addEventListener("keydown", function (e) {
        var by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
        if (!by) return;
        if (getComputedStyle(list).direction === "rtl") by = -by;
        e.preventDefault();
        select(all[(i + by + all.length) % all.length], true);
      });
    });
    var wrong = all.find(function (t) { return panel(t) && panel(t).querySelector("[aria-invalid=true]"); });
    var first = wrong || all.find(function (t) { return t.hash === location.hash; }) || all[0];
    if (first) select(first);
  }

  // ---- Times -------------------------------------------------------------------------------------
  var locale = root.lang || undefined, relative, exact, zone;
  // The zone of the account; a browser that does not know it shows its own, with its name.
  try { zone = (body.dataset.zone || "").replace(/^GMT(?=[+-]\d\d:)/, "") || undefined; new Intl.DateTimeFormat(undefined, { timeZone: zone }); } catch (e) { zone = undefined; }
  try { relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" }); exact = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "long", timeZone: zone }); } catch (e) {
    relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" }); exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long", timeZone: zone });
  }
  var units = [["year", 31557600], ["month", 2629800], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]];
  function showTime(el) {
    var at = new Date(el.getAttribute("datetime"));
    if (isNaN(at)) return;
    var seconds = (at - Date.now()) / 1000, size = Math.abs(seconds);
    var unit = units.find(function (u) { return size >= u[1]; });
    el.textContent = unit ? relative.format(Math.trunc(seconds / unit[1]), unit[0]) : relative.format(size < 45 ? 0 : Math.trunc(seconds), "second");
    el.title = exact.format(at);
  }
  setInterval(function () { if (!document.hidden) document.querySelectorAll("time[data-relative]").forEach(showTime); }, 30000);

  // A button that publishes says when: the field has the wall clock of the person, whose zone the account names.
  function schedule(button) {
    var field = document.getElementById(button.dataset.schedule), plain = button.textContent;
    if (!field) return;
    function show() {
      var at = new Date(field.value + "Z"), now = new Date().toLocaleString("sv-SE", { timeZone: zone }).replace(" ", "T");
      var text = plain;
      if (field.value > now && !isNaN(at)) text = button.dataset.later.replace("{time}", at.toLocaleString(locale, { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" }));
      button.textContent = text;
    }
    field.addEventListener("input", show);
    document.addEventListener("stoa:restored", show);
    show();
  }

  // What a choice makes needless is out of sight: data-when="NAME VALUE".
  function when(el) {
    var parts = el.dataset.when.split(" "), form = el.closest("form"), field = form && form.elements[parts[0]];
    if (!field) return;
    function show() { el.hidden = field.value !== parts[1] && !el.querySelector("[aria-invalid=true]"); }
    form.addEventListener("change", show);
    form.addEventListener("stoa:restored", show);
    show();
  }

  function showClock(el) {
    var at = new Date(el.getAttribute("datetime"));
    if (!isNaN(at)) { el.textContent = at.toLocaleTimeString(locale, { hour12: false, timeZone: zone }); el.title = exact.format(at); }
  }

  // ---- Screens that stay new: what did not change is left alone, so nothing jumps ------------------
  function patch(old, now) {
    if (old.isEqualNode(now)) return;
    if (old.nodeName !== now.nodeName) { old.replaceWith(now); return; }
    if (old.nodeType !== Node.ELEMENT_NODE) { old.data = now.data; return; }
    Array.from(old.attributes).forEach(function (a) { if (!now.hasAttribute(a.name)) old.removeAttribute(a.name); });
    Array.from(now.attributes).forEach(function (a) { if (old.getAttribute(a.name) !== a.value) old.setAttribute(a.name, a.value); });
    var at = old.firstChild;
    Array.from(now.childNodes).forEach(function (n) {
      var same = n.id ? Array.from(old.children).find(function (c) { return c.id === n.id; }) : at && !at.id && at.nodeName === n.nodeName ? at : null;
      if (!same) { old.insertBefore(n, at); return; }
      if (same === at) at = at.nextSibling; else old.insertBefore(same, at);
      patch(same, n);
    });
    while (at) { var next = at.nextSibling; at.remove(); at = next; }
  }
  function keepNew(box) {
    var wait = Number(box.dataset.refresh) * 1000, timer;
    function look() {
      clearTimeout(timer);
      if (!box.isConnected || !box.dataset.refresh) return; // it says itself that nothing new comes
      fetch(location.href, { headers: { "Stoa-Refresh": "1" }, credentials: "same-origin", signal: AbortSignal.timeout(10000) }).then(function (r) {
        if (!r.ok || r.redirected) throw new Error("HTTP " + r.status);
        return r.text();
      }).then(function (html) {
        var now = new DOMParser().parseFromString(html, "text/html").getElementById(box.id);
        if (!now) throw new Error("the screen is another one");
        enhance(now);
        patch(box, document.adoptNode(now));
      }).catch(function () { box.classList.add("is-old"); }).then(function () { clearTimeout(timer); if (!document.hidden) timer = setTimeout(look, wait); });
    }
    document.addEventListener("visibilitychange", function () { if (!document.hidden) look(); });
    timer = setTimeout(look, wait);
  }

  // ---- Progress ----------------------------------------------------------------------------------
  function follow(box) {
    var url = box.dataset.progress, wait = Number(box.dataset.interval) || 1000, failures = 0;
    var bar = box.querySelector("progress"), value = box.querySelector(".progress__value"), note = box.querySelector(".progress__note");
    function again() { if (box.isConnected) setTimeout(ask, document.hidden ? wait * 5 : wait * Math.min(8, 1 + failures)); }
    function ask() {
      fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" }).then(function (r) {
        if (!r.ok) throw new Error("HTTP " + r.status);
        return r.json();
      }).then(function (p) {
        failures = 0;
        if (typeof p.value === "number") { bar.max = p.max || 100; bar.value = p.value; } else if (p.state === "running") bar.removeAttribute("value");
        if (value && p.text !== undefined) value.textContent = p.text;
        if (note && p.note !== undefined) note.textContent = p.note;
        if (p.state === "running" || p.state === "waiting") return again();
        box.classList.add(p.state === "failed" ? "progress--bad" : "progress--ok");
        box.dispatchEvent(new CustomEvent("progress-end", { bubbles: true, detail: p }));
        if (p.location) location.assign(p.location);
      }).catch(function () { failures++; if (note && failures > 2) note.textContent = word("failed"); again(); });
    }
    ask();
  }

  // ---- Images that are not there -----------------------------------------------------------------
  document.addEventListener("error", function (e) {
    // Inside an editor the broken image is content: it has to stay.
    if (!(e.target instanceof HTMLImageElement) || e.target.closest("[contenteditable]")) return;
    var stand = icon("image");
    stand.removeAttribute("aria-hidden");
    stand.setAttribute("role", "img");
    stand.setAttribute("aria-label", e.target.alt);
    e.target.replaceWith(stand);
  }, true);

  function enhance(scope) {
    function each(selector, fn) {
      if (scope.matches && scope.matches(selector)) fn(scope);
      scope.querySelectorAll(selector).forEach(fn);
    }
    each("time[data-relative]", showTime);
    each("time[data-clock]", showClock);
    each("[data-tabs]", tabs);
    each("[data-schedule]", schedule);
    each("[data-when]", when);
    each("[data-bulk]", showBulk);
    each("[data-progress]", follow);
    each("[data-refresh]", function (el) { if (el.ownerDocument === document) keepNew(el); });
    each("[data-toast]", function (el) { armToast(el, el.dataset.toast); });
    each("pre.code, .scroll-x", function (el) { if (el.scrollWidth > el.clientWidth + 1 && el.tabIndex < 0) el.tabIndex = 0; });
    each("[data-theme-switch], [data-js-only]", function (el) { el.hidden = false; });
  }
  enhance(document);
  showTheme();
  // Where the rail is longer than the window, the screen that is open is in sight.
  var rail = document.querySelector(".rail__nav"), here = rail && rail.querySelector("[aria-current]");
  if (here) rail.scrollTop = Math.max(0, here.offsetTop - rail.offsetTop + here.offsetHeight * 2 - rail.clientHeight);
  body.addEventListener("htmx:load", function (e) { if (e.detail.elt !== body) enhance(e.detail.elt); });
  document.querySelectorAll(".errors[tabindex]").forEach(function (el) { el.focus(); });

  window.stoa = { word: word, toast: toast, ask: ask, enhance: enhance, icon: icon, markDirty: mark, forget: function () { dirty.clear(); } };
})();
