// The entries of a menu, moved by dragging, by keys and by buttons. Without this script the buttons send the form and
// the server moves the row (admin/pages/outline.go, by the same rules).
(function () {
  "use strict";
  var STEP = 24; // px of one level while dragging

  function arm(list) {
    var form = list.closest("form"), said = form.querySelector("[data-outline-said]");
    var template = document.getElementById("outline-row"), levels = Number(list.dataset.levels);
    function rows() { return Array.from(list.querySelectorAll(":scope > .outline__row")); }
    function depth(row) { return Number(row.querySelector("[name=depth]").value); }
    function setDepth(row, n) {
      row.classList.remove("depth-" + depth(row));
      row.querySelector("[name=depth]").value = n;
      if (n) row.classList.add("depth-" + n);
    }
    // block is a row with those that belong to it.
    function block(row) {
      var out = [row], d = depth(row), next = row.nextElementSibling;
      for (; next && depth(next) > d; next = next.nextElementSibling) out.push(next);
      return out;
    }
    function above(row) {
      for (var r = row.previousElementSibling; r && depth(r) >= depth(row); r = r.previousElementSibling) if (depth(r) === depth(row)) return r;
      return null;
    }
    function behind(row) {
      var b = block(row), next = b[b.length - 1].nextElementSibling;
      return next && depth(next) === depth(row) ? next : null;
    }
    function deepest(b) { return Math.max.apply(null, b.map(depth)); }
    function can(row, how) {
      if (how === "up") return !!above(row);
      if (how === "down") return !!behind(row);
      if (how === "in") return !!above(row) && deepest(block(row)) + 1 < levels;
      return how === "remove" || depth(row) > 0;
    }
    // place puts a block before a row (null: at the end) with its first row at a depth.
    function place(b, before, at) {
      var by = at - depth(b[0]);
      b.forEach(function (r) { list.insertBefore(r, before); setDepth(r, depth(r) + by); });
    }
    function move(row, how) {
      if (!can(row, how)) return false;
      var b = block(row), d = depth(row), next;
      if (how === "up") place(b, above(row), d);
      else if (how === "down") { next = block(behind(row)); place(b, next[next.length - 1].nextElementSibling, d); }
      else if (how === "in") b.forEach(function (r) { setDepth(r, depth(r) + 1); });
      else if (how === "out") {
        for (next = b[b.length - 1].nextElementSibling; next && depth(next) >= d; next = next.nextElementSibling);
        place(b, next, d - 1);
      } else {
        b.slice(1).forEach(function (r) { setDepth(r, depth(r) - 1); });
        row.remove();
      }
      return true;
    }
    function show() {
      rows().forEach(function (row, i) {
        row.querySelectorAll("[aria-label]").forEach(function (el) {
          el.setAttribute("aria-label", el.getAttribute("aria-label").replace(/\d+/, i + 1));
        });
        row.querySelectorAll("[name=arrange]").forEach(function (b) {
          var how = b.value.split(" ")[0];
          b.value = how + " " + i;
          b.disabled = !can(row, how);
        });
      });
    }
    function changed(row) {
      show();
      if (row && row.isConnected) {
        var place = 1, r = row;
        while ((r = above(r))) place++;
        said.textContent = list.dataset.moved.replace("{position}", place).replace("{level}", depth(row) + 1);
      }
      form.dispatchEvent(new Event("change", { bubbles: true }));
      var field = row && row.isConnected ? row.querySelector("[name=depth]") : list.querySelector("[name=depth]");
      if (field) field.dispatchEvent(new Event("change", { bubbles: true })); // what keeps typed text looks at fields
      window.stoa.markDirty(form, true);
    }

    form.addEventListener("click", function (e) {
      var button = e.target.closest("[name=arrange]");
      if (!button) return;
      e.preventDefault();
      if (button.value === "add") {
        var copy = document.importNode(template.content, true);
        window.stoa.enhance(copy);
        list.append(copy);
        changed(list.lastElementChild);
        list.lastElementChild.querySelector("[name=label]").focus();
        return;
      }
      var row = button.closest(".outline__row"), next = row.nextElementSibling || row.previousElementSibling;
      move(row, button.value.split(" ")[0]);
      changed(row);
      if (!row.isConnected) row = next;
      var to = row && button.isConnected && !button.disabled ? button : row && row.querySelector("[data-handle]");
      (to || form.querySelector("[data-outline-add]")).focus();
    });
    list.addEventListener("keydown", function (e) {
      var row = e.target.closest(".outline__row"), handle = e.target.closest("[data-handle]");
      var how = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "out", ArrowRight: "in" }[e.key];
      if (!row || !how || !(handle || e.altKey && (how === "up" || how === "down"))) return;
      if (getComputedStyle(list).direction === "rtl" && how !== "up" && how !== "down") how = how === "in" ? "out" : "in";
      e.preventDefault();
      e.stopPropagation();
      var focused = document.activeElement;
      if (!move(row, how)) return;
      changed(row);
      focused.focus();
      row.scrollIntoView({ block: "nearest" });
    });

    // Dragging: by pointer events, so that a finger drags as a mouse does. A line shows where the row will stand;
    // nothing else moves until it is let go.
    var drag = null, line = document.createElement("li");
    line.className = "outline__line";
    line.setAttribute("role", "presentation");
    list.addEventListener("pointerdown", function (e) {
      var handle = e.target.closest("[data-handle]");
      if (!handle || e.button) return;
      var row = handle.closest(".outline__row");
      drag = { handle: handle, id: e.pointerId, block: block(row), x: e.clientX, y: e.clientY, depth: depth(row), begun: false };
      handle.setPointerCapture(e.pointerId);
    });
    list.addEventListener("pointermove", function (e) {
      if (!drag || e.pointerId !== drag.id) return;
      if (!drag.begun) {
        if (Math.hypot(e.clientX - drag.x, e.clientY - drag.y) < 5) return;
        drag.begun = true;
        drag.block.forEach(function (r) { r.classList.add("is-dragged"); });
        list.append(line);
      }
      drag.at = { x: e.clientX, y: e.clientY };
      follow();
      if (!drag.timer) drag.timer = requestAnimationFrame(scroll);
    });
    function scroll() {
      if (!drag || !drag.begun) return;
      var by = drag.at.y < 90 ? -8 : drag.at.y > innerHeight - 110 ? 8 : 0;
      if (by) { scrollBy(0, by); follow(); }
      drag.timer = requestAnimationFrame(scroll);
    }
    function follow() {
      var all = rows().filter(function (r) { return !drag.block.includes(r); });
      var i = all.findIndex(function (r) { var box = r.getBoundingClientRect(); return drag.at.y < box.top + box.height / 2; });
      var before = i < 0 ? null : all[i], prev = i < 0 ? all[all.length - 1] : all[i - 1];
      var by = Math.round((drag.at.x - drag.x) / STEP) * (getComputedStyle(list).direction === "rtl" ? -1 : 1);
      var most = Math.min(prev ? depth(prev) + 1 : 0, levels - 1 - (deepest(drag.block) - depth(drag.block[0])));
      drag.depth = Math.max(Math.min(depth(drag.block[0]) + by, most), Math.min(before ? depth(before) : 0, most));
      drag.before = before;
      // Above the rows that are dragged along, not amid them.
      var box = list.getBoundingClientRect(), y = before ? before.getBoundingClientRect().top : prev ? prev.getBoundingClientRect().bottom : box.top;
      line.style.top = y - box.top + "px";
      line.className = "outline__line" + (drag.depth ? " depth-" + drag.depth : "");
    }
    function end(drop) {
      if (!drag) return;
      var d = drag;
      drag = null;
      cancelAnimationFrame(d.timer);
      line.remove();
      d.block.forEach(function (r) { r.classList.remove("is-dragged"); });
      if (!d.begun || !drop || d.before === undefined) return;
      place(d.block, d.before, d.depth);
      changed(d.block[0]);
      d.handle.focus();
    }
    list.addEventListener("pointerup", function () { end(true); });
    list.addEventListener("pointercancel", function () { end(false); });
    document.addEventListener("keydown", function (e) { if (drag && e.key === "Escape") { e.preventDefault(); end(false); } });
    form.addEventListener("stoa:restored", function () { // what was typed before was put into the fields
      rows().forEach(function (row) { var n = depth(row); row.className = "outline__row" + (n ? " depth-" + n : ""); });
      show();
    });
    show();
  }

  document.querySelectorAll("[data-outline]").forEach(arm);
})();
