// The portfolio page: one socket, one state, and the parts that show it.
import { $$ } from "../dom.js";
import { setFreshness } from "../freshness.js";
import { connectState } from "../live-state.js";
import { makeCurve } from "./curve.js";
import { makeFigures } from "./figures.js";
import { paintTickets } from "./tickets.js";

const page = document.getElementById("portfolio");
const pill = document.querySelector('[data-fresh="portfolio"]');
const note = page.querySelector("[data-stale-note]");
const table = document.getElementById("tickets");
const chosen = page.dataset.account;
const paintFigures = makeFigures(page, chosen);
const curve = makeCurve(document.getElementById("curve"));
const REFUSED = new Set(["not_logged_in", "role_missing"]);
let tickets = {};
let seen = null;

function paint(state, message) {
  tickets = state.tickets ?? {};
  setFreshness(pill, { atMs: message.at_ms, state: "live" });
  paintFigures(state.accounts ?? {});
  paintTickets(table, tickets);
  const own = state.accounts?.[chosen];
  if (own && message.at_ms) curve.live(message.at_ms, own);
  // The record has moved on: the table of tickets fetches itself.
  const moved = JSON.stringify(Object.values(state.books ?? {}).map((book) => book.projected_seq));
  if (seen !== null && moved !== seen) htmx.trigger(table, "book-moved");
  seen = moved;
}

function told({ state, atMs, code }) {
  setFreshness(pill, { atMs, state });
  const { wordStale, wordOffline, wordRefused } = page.dataset;
  const text = REFUSED.has(code) ? wordRefused : { stale: wordStale, offline: wordOffline }[state];
  note.hidden = !text;
  note.querySelector("[data-stale-text]").textContent = text ?? "";
}

for (const button of $$("[data-range]", page)) {
  button.addEventListener("click", () => {
    for (const other of $$("[data-range]", page)) other.setAttribute("aria-pressed", String(other === button));
    curve.show(button.dataset.range);
  });
}
table.addEventListener("htmx:afterSwap", () => paintTickets(table, tickets));
curve.show(curve.range());
// Without a mandate nothing moves: the record is all there is.
if (page.dataset.ws) connectState({ url: page.dataset.ws, onChange: paint, onState: told });
