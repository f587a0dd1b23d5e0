// The portfolio page: one socket, one state, and the parts that show it.
import { $$ } from "../dom.js";
import { quotesAreOld, setFreshness } from "../freshness.js";
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
let quotes = {};
let link = {};

function paint(state, message) {
  tickets = state.tickets ?? {};
  quotes = state.quotes ?? {};
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

function told(latest) {
  link = latest;
  setFreshness(pill, { atMs: latest.atMs, state: latest.state });
  tell();
}

function tell() {
  const { wordStale, wordOffline, wordRefused, wordOldQuotes } = page.dataset;
  const silent = pill.dataset.state === "stale" ? "stale" : link.state; // an open socket may have nothing new
  const old = quotesAreOld(quotes) ? wordOldQuotes : undefined;
  const text = REFUSED.has(link.code) ? wordRefused : ({ stale: wordStale, offline: wordOffline }[silent] ?? old);
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
if (page.dataset.ws) {
  connectState({ url: page.dataset.ws, onChange: paint, onState: told });
  setInterval(tell, 1000);
}
