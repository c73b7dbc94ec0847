// The appearance screen: the preview follows what is typed, and colours can be chosen by sight.
(function () {
  "use strict";
  var form = document.querySelector("[data-looks]");
  if (!form) return;
  var button = form.querySelector("[data-looks-preview]"), timer;
  function preview() {
    clearTimeout(timer);
    timer = setTimeout(function () { form.requestSubmit(button); }, 500);
  }
  // What is sent to the preview is not saved: the form stays changed.
  form.addEventListener("submit", function (e) { if (e.submitter === button) e.stopPropagation(); });
  form.addEventListener("input", preview);
  button.addEventListener("click", function () { // below the form where there is no room beside it
    document.querySelector("[name=looks-preview]").scrollIntoView({ block: "nearest" });
  });
  form.querySelectorAll('[name^="light."], [name^="dark."]').forEach(function (text) {
    var choose = document.createElement("input");
    choose.type = "color";
    choose.className = "looks__colour";
    choose.setAttribute("aria-label", text.labels[0].firstChild.textContent.trim());
    function show() { if (/^#[0-9a-f]{6}$/i.test(text.value)) choose.value = text.value; choose.classList.toggle("is-unset", !text.value); }
    choose.addEventListener("input", function () { text.value = choose.value; show(); });
    text.addEventListener("input", show);
    show();
    var both = document.createElement("div");
    both.className = "looks__both";
    text.before(both);
    both.append(text, choose);
  });
  form.requestSubmit(button);
})();
