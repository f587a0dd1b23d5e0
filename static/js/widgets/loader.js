// The one script of a leaderboard embedded in another site:
//   <script src="https://BROKER/widgets/leaderboard.js" data-theme="auto" data-limit="10" async></script>
// Attributes: data-theme (auto, light, dark), data-limit (1–50), data-title (the frame's name for
// screen readers), data-target (a selector of the element to fill; else it stands where the script
// is). Puts one sandboxed frame there and follows its height. Reads nothing of the page around it.
(function () {
  "use strict";
  var VERSION = "{version}";
  var SILENCE_MS = 15000;
  var script = document.currentScript;
  if (!script || !script.src) return;
  var base = new URL(script.src).origin;
  var options = script.dataset;

  function place() {
    var frame = document.createElement("iframe");
    var query = new URLSearchParams({ v: VERSION });
    if (options.theme) query.set("theme", options.theme);
    if (options.limit) query.set("limit", options.limit);
    frame.title = options.title || "Leaderboard";
    // No allow-same-origin: inside, our page has no cookies, no storage and no way back out.
    frame.setAttribute("sandbox", "allow-scripts allow-popups allow-popups-to-escape-sandbox");
    frame.referrerPolicy = "no-referrer";
    frame.style.border = "0";
    frame.style.display = "block";
    frame.style.width = "100%";
    frame.style.height = "20rem";
    frame.src = base + "/widgets/leaderboard?" + query;

    var silence = setTimeout(function () {
      var link = document.createElement("a");
      link.href = base + "/widgets/leaderboard";
      link.target = "_blank";
      link.rel = "noopener";
      link.textContent = frame.title;
      frame.replaceWith(link);
      removeEventListener("message", listen);
    }, SILENCE_MS);

    function listen(event) {
      // A sandboxed frame speaks with the origin "null": what proves it is the window itself.
      if (event.source !== frame.contentWindow) return;
      if (event.origin !== "null" && event.origin !== base) return;
      var said = event.data;
      if (!said || said.type !== "prorata:height" || !Number.isFinite(said.height)) return;
      clearTimeout(silence);
      frame.style.height = Math.min(Math.max(said.height, 60), 6000) + "px";
    }
    addEventListener("message", listen);

    var target = options.target && document.querySelector(options.target);
    if (target) target.replaceChildren(frame);
    else if (script.parentNode && script.parentNode !== document.head) script.after(frame);
    else document.body.append(frame);
  }

  if (document.readyState === "loading" && (options.target || script.parentNode === document.head)) {
    document.addEventListener("DOMContentLoaded", place);
  } else {
    place();
  }
})();
