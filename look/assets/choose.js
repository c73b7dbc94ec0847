// Proposals for what is typed into a field with data-choose: the server looks for them, since there may be any number.
// Without this script the name is typed whole.
(function () {
  "use strict";
  var made = 0, waiting = new WeakMap();

  // The part after the last comma that stands in no quotation marks is what is being typed.
  function split(text) {
    for (var at = 0, quoted = false, i = 0; i < text.length; i++) {
      if (text[i] === '"') quoted = !quoted;
      else if (text[i] === "," && !quoted) at = i + 1;
    }
    while (text[at] === " ") at++;
    return [text.slice(0, at), text.slice(at)];
  }
  function listOf(input) {
    if (input.list) return input.list;
    var list = document.createElement("datalist");
    list.id = "choices-" + (++made);
    input.after(list);
    input.setAttribute("list", list.id);
    input.autocomplete = "off";
    return list;
  }
  function ask(input) {
    var parts = input.hasAttribute("data-choose-many") ? split(input.value) : ["", input.value];
    var word = parts[1].replace(/"/g, "").trim(), old = waiting.get(input);
    if (old) old.abort();
    if (!word) return;
    var call = new AbortController();
    waiting.set(input, call);
    fetch(input.dataset.choose + "&q=" + encodeURIComponent(word), { signal: call.signal, credentials: "same-origin" }).then(function (r) {
      return r.ok ? r.json() : { items: [] };
    }).then(function (found) {
      listOf(input).replaceChildren.apply(listOf(input), found.items.map(function (x) {
        var o = document.createElement("option");
        o.value = parts[0] + x.value;
        if (x.label) o.label = x.label;
        return o;
      }));
    }).catch(function (err) { if (err.name !== "AbortError") console.warn(err); });
  }
  var timers = new WeakMap();
  document.addEventListener("input", function (e) {
    var input = e.target;
    if (!(input instanceof HTMLInputElement) || !input.dataset.choose) return;
    clearTimeout(timers.get(input));
    timers.set(input, setTimeout(function () { ask(input); }, 150));
  });
  document.addEventListener("focusin", function (e) {
    if (e.target instanceof HTMLInputElement && e.target.dataset.choose && !e.target.disabled) listOf(e.target);
  });
})();
