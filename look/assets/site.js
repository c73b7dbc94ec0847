// The default theme's only script. Everything reads without it.
(function () {
  "use strict";
  var root = document.documentElement;
  var icons = new URL("icons.svg", document.currentScript.src).pathname;
  var suggestStyle = new URL("search.css", document.currentScript.src).pathname;
  root.classList.add("js");

  // Who signs out leaves no text of the article editor in the browser.
  document.addEventListener("submit", function (e) {
    if (!e.target.getAttribute || e.target.getAttribute("action") !== "/sign-out") return;
    try { Object.keys(localStorage).forEach(function (k) { if (k.indexOf("stoa.autosave.") === 0) localStorage.removeItem(k); }); } catch (err) { /* storage blocked */ }
  });

  function icon(name) {
    var ns = "http://www.w3.org/2000/svg";
    var svg = document.createElementNS(ns, "svg"), use = document.createElementNS(ns, "use");
    svg.setAttribute("class", "icon icon--small");
    svg.setAttribute("aria-hidden", "true");
    use.setAttribute("href", icons + "#" + name);
    svg.appendChild(use);
    return svg;
  }

  // What other hosts have is loaded when the visitor asks for it; without scripts the button leads there.
  document.addEventListener("click", function (e) {
    var link = e.target.closest && e.target.closest("[data-embed] a"), box = link && link.closest("[data-embed]");
    if (!box || e.defaultPrevented || e.metaKey || e.ctrlKey || e.shiftKey) return;
    e.preventDefault();
    box.replaceChildren(box.querySelector("template").content.cloneNode(true));
    box.firstElementChild.tabIndex = -1;
    box.firstElementChild.focus();
  });

  // An image that cannot load becomes a quiet box with its description.
  function missing(img) {
    if (img.dataset.missing || img.closest("[contenteditable]")) return;
    img.dataset.missing = "1";
    var box = document.createElement("span");
    box.className = "image-missing";
    box.appendChild(icon("image"));
    var link = img.closest("a[aria-label]"); // named by what it leads to, when the picture has no words
    box.appendChild(document.createTextNode(img.alt || link && link.getAttribute("aria-label") || root.dataset.imageMissing || "Image not available"));
    img.replaceWith(box);
  }
  document.addEventListener("error", function (e) {
    if (e.target instanceof HTMLImageElement) missing(e.target);
  }, true);

  // Colour scheme: system, then light, then dark.
  function showTheme(button) {
    var now = root.getAttribute("data-theme") || "system";
    button.setAttribute("data-now", now);
    var use = button.querySelector("use");
    if (use) use.setAttribute("href", icons + "#" + ({ light: "sun", dark: "moon" }[now] || "theme"));
  }
  document.addEventListener("click", function (e) {
    var button = e.target.closest && e.target.closest("[data-theme-switch]");
    if (!button) return;
    var next = { light: "dark", dark: "" }[root.getAttribute("data-theme") || ""];
    if (next === undefined) next = "light";
    if (next) root.setAttribute("data-theme", next); else root.removeAttribute("data-theme");
    try { if (next) localStorage.setItem("stoa.theme", next); else localStorage.removeItem("stoa.theme"); } catch (err) { /* not kept */ }
    showTheme(button);
  });

  function ready() {
    document.querySelectorAll("img").forEach(function (img) {
      if (img.complete && img.naturalWidth === 0 && img.getAttribute("src") && img.loading !== "lazy") missing(img);
    });
    document.querySelectorAll("[data-theme-switch]").forEach(function (b) { b.hidden = false; showTheme(b); });

    // What scrolls inside itself must be reachable by keyboard.
    document.querySelectorAll("pre, table, .wp-block-table, .scroll-x").forEach(function (el) {
      if (el.scrollWidth > el.clientWidth + 1 && el.tabIndex < 0) el.tabIndex = 0;
    });

    var header = document.querySelector("[data-site-header]");
    if (!header) return;
    var menuButton = header.querySelector(".site-menu-button");
    if (menuButton) menuButton.addEventListener("click", function () {
      var open = header.classList.toggle("is-open");
      menuButton.setAttribute("aria-expanded", String(open));
    });

    header.querySelectorAll(".menu__item").forEach(function (item) {
      var sub = item.querySelector(":scope > .menu__sub"), link = item.querySelector(":scope > a");
      if (!sub || !link) return;
      var toggle = document.createElement("button");
      toggle.type = "button";
      toggle.className = "menu__toggle";
      toggle.setAttribute("aria-expanded", "false");
      toggle.setAttribute("aria-label", link.textContent.trim());
      toggle.appendChild(icon("chevron-down"));
      link.after(toggle);
      toggle.addEventListener("click", function () {
        var open = item.classList.toggle("is-open");
        item.classList.remove("is-closed");
        toggle.setAttribute("aria-expanded", String(open));
      });
      item.addEventListener("mouseleave", function () { item.classList.remove("is-closed"); });
      item.addEventListener("focusout", function (e) {
        if (!item.contains(e.relatedTarget)) { item.classList.remove("is-closed"); }
        if (!item.contains(e.relatedTarget) && matchMedia("(min-width: 60.0625rem)").matches) close(item);
      });
    });
    function close(item) {
      item.classList.remove("is-open");
      var toggle = item.querySelector(":scope > button");
      if (toggle) toggle.setAttribute("aria-expanded", "false");
    }
    document.addEventListener("keydown", function (e) {
      if (e.key !== "Escape") return;
      header.querySelectorAll(".menu > .menu__item").forEach(function (item) {
        if (item.matches(":hover, :focus-within, .is-open")) { close(item); item.classList.add("is-closed"); }
      });
      document.querySelectorAll(":is(.language-selector, .site-bar__new)[open]").forEach(function (d) { d.open = false; });
    });
    document.addEventListener("click", function (e) {
      document.querySelectorAll(":is(.language-selector, .site-bar__new)[open]").forEach(function (d) { if (!d.contains(e.target)) d.open = false; });
    });

    // What does not fit in the row of the menu goes into one more entry at its end.
    var menu = header.querySelector(".menu[data-more]"), more;
    function over() { // what hangs from an entry counts in scrollWidth, too
      var last = menu.lastElementChild.getBoundingClientRect(), room = menu.getBoundingClientRect();
      return getComputedStyle(menu).direction === "rtl" ? last.left < room.left - 1 : last.right > room.right + 1;
    }
    function fit() {
      var wide = matchMedia("(min-width: 60.0625rem)").matches, moved = more ? Array.from(more.lastChild.children) : [];
      if (more) { moved.forEach(function (li) { menu.insertBefore(li, more); }); more.remove(); more = null; }
      menu.classList.remove("is-fitted");
      if (wide && over()) {
        more = makeMore();
        for (var li; over() && (li = more.previousElementSibling);) more.lastChild.prepend(li);
        more.classList.toggle("is-active", !!more.querySelector("[aria-current]"));
      }
      menu.classList.add("is-fitted");
    }
    function makeMore() {
      var item = document.createElement("li"), button = document.createElement("button"), list = document.createElement("ul");
      item.className = "menu__item menu__more";
      list.className = "menu__sub";
      button.type = "button";
      button.setAttribute("aria-expanded", "false");
      button.append(menu.dataset.more, icon("chevron-down"));
      button.addEventListener("click", function () {
        button.setAttribute("aria-expanded", String(item.classList.toggle("is-open")));
        item.classList.remove("is-closed");
      });
      item.addEventListener("mouseleave", function () { item.classList.remove("is-closed"); });
      item.addEventListener("focusout", function (e) { if (!item.contains(e.relatedTarget)) close(item); });
      item.append(button, list);
      menu.append(item);
      return item;
    }
    if (menu) {
      fit();
      var width = innerWidth;
      addEventListener("resize", function () { if (width !== innerWidth) { width = innerWidth; fit(); } });
      if (document.fonts) document.fonts.ready.then(fit);
    }

    // The header follows only while the reader scrolls up.
    var last = window.scrollY, waiting = false;
    window.addEventListener("scroll", function () {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(function () {
        var y = window.scrollY, height = header.offsetHeight;
        if (y < 4 || y > last + 4) { if (!header.classList.contains("is-open")) header.classList.remove("is-pinned"); }
        else if (y < last - 4 && y > height) header.classList.add("is-pinned");
        last = y;
        waiting = false;
      });
    }, { passive: true });
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", ready); else ready();

  // Suggestions while a visitor types into a search field: titles of what is there, reached by keys as well.
  document.querySelectorAll('form[role="search"]').forEach(function (form, n) {
    var input = form.querySelector('input[type="search"]'), list = document.createElement("ul");
    if (!input || !window.fetch) return;
    var timer, asking, at = -1;
    list.className = "search-suggest";
    list.id = "search-suggest-" + n;
    list.hidden = true;
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", input.getAttribute("placeholder") || "");
    form.appendChild(list);
    [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"], ["aria-controls", list.id], ["autocomplete", "off"]]
      .forEach(function (a) { input.setAttribute(a[0], a[1]); });

    function close() {
      clearTimeout(timer);
      if (asking) asking.abort();
      list.hidden = true;
      input.setAttribute("aria-expanded", "false");
      choose(-1);
    }
    function choose(i) {
      at = i;
      if (i >= 0) { // what comes late must not take the choice away
        clearTimeout(timer);
        if (asking) asking.abort();
      }
      Array.prototype.forEach.call(list.children, function (li, k) { li.setAttribute("aria-selected", String(k === i)); });
      if (i < 0) input.removeAttribute("aria-activedescendant");
      else input.setAttribute("aria-activedescendant", list.children[i].id);
    }
    function show(found) {
      list.replaceChildren.apply(list, found.map(function (f, k) {
        var li = document.createElement("li"), kind = document.createElement("span");
        li.id = list.id + "-" + k;
        li.setAttribute("role", "option");
        li.dataset.url = f.url;
        li.textContent = f.title;
        kind.textContent = f.kind;
        li.appendChild(kind);
        return li;
      }));
      list.hidden = !found.length;
      input.setAttribute("aria-expanded", String(!!found.length));
      choose(-1);
    }
    function ask() {
      if (!document.getElementById("search-style")) {
        var style = document.createElement("link");
        style.id = "search-style";
        style.rel = "stylesheet";
        style.href = suggestStyle;
        document.head.appendChild(style);
      }
      if (asking) asking.abort();
      asking = new AbortController();
      fetch(form.getAttribute("action") + "/suggest?q=" + encodeURIComponent(input.value), { signal: asking.signal, credentials: "same-origin" })
        .then(function (r) { return r.ok ? r.json() : []; })
        .then(function (found) { if (document.activeElement === input) show(found); })
        .catch(function () { /* asked again, or no network: the form still works */ });
    }
    input.addEventListener("input", function () {
      clearTimeout(timer);
      if (input.value.trim().length < 2) { close(); return; }
      timer = setTimeout(ask, 120);
    });
    input.addEventListener("keydown", function (e) {
      if (list.hidden) return;
      var n = list.children.length;
      if (e.key === "ArrowDown") choose(at + 1 < n ? at + 1 : -1);
      else if (e.key === "ArrowUp") choose(at < 0 ? n - 1 : at - 1);
      else if (e.key === "Escape") { close(); e.stopPropagation(); }
      else return;
      e.preventDefault();
    });
    form.addEventListener("submit", function (e) { // by Enter, with a suggestion chosen
      if (at < 0 || list.hidden) return;
      e.preventDefault();
      location.href = list.children[at].dataset.url;
    });
    form.addEventListener("mousedown", function (e) { if (!list.contains(e.target)) choose(-1); });
    list.addEventListener("mousedown", function (e) { e.preventDefault(); }); // the field keeps the focus
    list.addEventListener("click", function (e) {
      var li = e.target.closest("li");
      if (li) location.href = li.dataset.url;
    });
    form.addEventListener("focusout", function (e) { if (!form.contains(e.relatedTarget)) setTimeout(close, 150); });
  });
})();
