// Inside the frame: tells the page around it how high this page is. A height is no secret, and
// frame-ancestors says who may be around, so it is sent to whoever that is.
(function () {
  "use strict";
  if (parent === window) return;
  var last = 0;
  function tell() {
    var height = Math.ceil(document.documentElement.getBoundingClientRect().height);
    if (height === last) return;
    last = height;
    parent.postMessage({ type: "prorata:height", height: height }, "*");
  }
  new ResizeObserver(tell).observe(document.documentElement);
  tell();
})();
