// The order ticket: live prices on its sides, a price field only where there is a price.
import { $, patchText } from "../dom.js";

const SETTLE_MS = 350; // a key held down from the ticket must not run through the preview
let openedAt = 0;

const ticket = () => document.getElementById("ticket");

export function paintTicket({ quotes = {} }) {
  const form = ticket();
  const select = form?.elements.symbol;
  if (!select) return;
  const quote = quotes[select.value];
  for (const cell of form.querySelectorAll("[data-ticket-price]")) patchText(cell, quote?.[cell.dataset.ticketPrice] ?? "–");
  const place = $("[data-place]", form);
  const side = form.elements.side?.value;
  if (place && side) patchText(place, side === "buy" ? place.dataset.wordBuy : place.dataset.wordSell);
}

export function watchTicket(stateNow, pick) {
  document.addEventListener("change", (event) => {
    const form = event.target.closest("#ticket");
    if (!form) return;
    if (event.target.name === "symbol") pick(event.target.value);
    if (event.target.name === "kind" || event.target.name === "expiry") showPrice(form, stateNow());
    if (event.target.name === "symbol") form.elements.manual.value = ""; // lots of another symbol
    paintByHand();
    paintTicket(stateNow());
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id === "dialogs") openedAt = performance.now();
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.target.id !== "ticket" || document.activeElement !== document.body) return;
    ($('[aria-invalid="true"]', event.target) ?? $("#ticket-place, #ticket-again", event.target))?.focus();
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-clear-by-hand]")) return;
    ticket().elements.manual.value = "";
    paintByHand();
  });
  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-by-hand-of]")) keepByHand(event.target.closest("dialog"));
  });
  document.addEventListener("htmx:afterSettle", paintByHand);
  // Placing from the preview: the ticket's own form is sent, the dialog goes.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-place-from-preview]");
    if (!button) return;
    const byKey = event.detail === 0;
    if (byKey && performance.now() - openedAt < SETTLE_MS) return;
    button.disabled = true; // one click, one order; the command id in the form is what makes it sure
    button.closest("dialog").close();
    ticket().elements.token.value = button.dataset.token; // exactly what was seen, or a refusal
    $("#ticket-place", ticket()).click();
  });
}

function showPrice(form, { quotes = {} }) {
  const kind = form.elements.kind.value;
  const market = kind === "market";
  for (const field of form.querySelectorAll("[data-price-field]")) field.hidden = market;
  for (const field of form.querySelectorAll("[data-limit-field]")) field.hidden = kind !== "stop_limit";
  for (const field of form.querySelectorAll("[data-expiry-field]")) field.hidden = form.elements.expiry.value !== "date";
  if (market || form.elements.price.value) return;
  const quote = quotes[form.elements.symbol.value];
  if (quote) form.elements.price.value = form.elements.side.value === "buy" ? quote.ask : quote.bid;
}

// Lots typed in the preview go into the ticket; the order is placed only from a preview of them.
function keepByHand(dialog) {
  const lots = JSON.parse(ticket().elements.manual.value || "{}");
  let changed = false;
  for (const cell of dialog.querySelectorAll("[data-by-hand-of]")) {
    const typed = cell.value.trim();
    if (typed) lots[cell.dataset.byHandOf] = typed;
    else delete lots[cell.dataset.byHandOf];
    changed ||= typed !== cell.dataset.was;
  }
  ticket().elements.manual.value = Object.keys(lots).length ? JSON.stringify(lots) : "";
  $("[data-preview-again]", dialog).hidden = !changed;
  $("[data-place-from-preview]", dialog).hidden = changed;
  paintByHand();
}

function paintByHand() {
  const form = ticket();
  const note = form && $("[data-by-hand]", form);
  if (!note) return;
  const count = Object.keys(JSON.parse(form.elements.manual.value || "{}")).length;
  note.hidden = count === 0;
  const text = $("[data-by-hand-text]", note);
  patchText(text, `${text.dataset.word}: ${count}`);
}
