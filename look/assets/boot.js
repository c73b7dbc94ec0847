// Loaded in <head> without defer, before the first paint: applies the chosen colour scheme and rail width,
// and tells the style sheets that scripts run. Keep it tiny.
(function () {
  var root = document.documentElement, store = null;
  root.classList.add("js");
  try { store = window.localStorage; } catch (e) { return; }
  try {
    var theme = store.getItem("stoa.theme");
    if (theme === "light" || theme === "dark") root.setAttribute("data-theme", theme);
    if (store.getItem("stoa.rail") === "narrow") root.classList.add("rail-narrow");
  } catch (e) { /* storage is blocked: the system's scheme applies */ }
})();
