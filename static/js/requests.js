// What htmx leaves to us: a failed request is said, never silent; a form is not sent twice.
import { toast } from "./dom.js";

export function watchRequests() {
  document.addEventListener("htmx:beforeRequest", (event) => busy(event.detail.elt, true));
  document.addEventListener("htmx:afterRequest", (event) => busy(event.detail.elt, false));
  // A refusal (422) or conflict (409) carries its own explanation as HTML: show it in place.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr } = event.detail;
    const html = xhr.getResponseHeader("Content-Type")?.startsWith("text/html");
    if (html && [400, 409, 422, 503, 504].includes(xhr.status)) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
  });
  document.addEventListener("htmx:responseError", (event) => toast("bad", words("failed"), String(event.detail.xhr.status)));
  document.addEventListener("htmx:sendError", () => toast("bad", words("unreachable")));
  document.addEventListener("htmx:timeout", () => toast("warn", words("unknown")));
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-once]")) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
    for (const button of form.querySelectorAll("[type=submit], button:not([type])")) button.setAttribute("aria-busy", "true");
  });
}

function busy(element, on) {
  const button = element.matches?.("button") ? element : element.querySelector?.("[type=submit]");
  if (!button) return;
  if (on) button.setAttribute("aria-busy", "true");
  else button.removeAttribute("aria-busy");
  if (button.matches("[data-lock]")) button.disabled = on;
}

// Translated by the server: <div id="toasts" data-word-failed="…">.
function words(name) {
  return document.getElementById("toasts")?.dataset[`word${name[0].toUpperCase()}${name.slice(1)}`] ?? name;
}
