// The terminal: one socket, one state, and the parts of the page that show it.
import { patchText, toast } from "../dom.js";
import { openDialog } from "../dialog.js";
import { quotesAreOld, setFreshness } from "../freshness.js";
import { connectState } from "../live-state.js";
import { watchedAccounts, paintAccounts } from "./accounts.js";
import { paintBlocks, watchBlocks } from "./blocks.js";
import { makeChart } from "./chart.js";
import { paintQuotes, tickAges } from "./quotes.js";
import { paintSummary } from "./summary.js";
import { paintTicket, watchTicket } from "./ticket.js";
import { watchHolds } from "../hold.js";

const desk = document.getElementById("desk");
const pill = document.querySelector('[data-fresh="book"]');
const note = desk.querySelector("[data-stale-note]");
const chart = makeChart(document.getElementById("candles"), desk.dataset.bars);
let state = {};
let seenSeq = null;
let live = null;
let wanted = "";
let refusal = "";

function pick(symbol) {
  for (const button of desk.querySelectorAll("[data-pick]")) {
    button.setAttribute("aria-pressed", String(button.dataset.pick === symbol));
  }
  const row = desk.querySelector(`[data-quote="${CSS.escape(symbol)}"]`);
  chart.show(symbol, Number(row?.dataset.digits ?? 5));
  paintTicket(state);
}

function paint(latest, message) {
  state = latest;
  setFreshness(pill, { atMs: message.at_ms, state: "live" });
  paintSummary(state);
  paintQuotes(state.quotes);
  paintBlocks(state);
  paintAccounts(state.accounts);
  paintTicket(state);
  chart.quote(state.quotes);
  const seq = state.book?.projected_seq;
  if (seenSeq !== null && seq !== seenSeq) fetchTables();
  seenSeq = seq;
  askForRows();
}

// The record has moved on: each table fetches itself, shown or not, so that tabs are never old.
function fetchTables() {
  for (const table of document.querySelectorAll("[data-blocks], [data-accounts], [data-risk]")) {
    htmx.trigger(table, "book-moved");
  }
}

// The socket sends rows of the accounts that the page shows, and no others.
function askForRows(force = false) {
  const ids = watchedAccounts();
  const key = ids.join();
  if (!force && key === wanted) return;
  if (live?.send({ type: "watch", accounts: ids })) wanted = key;
}

function linkState({ state: link, code }) {
  setFreshness(pill, { state: link });
  refusal = code ?? "";
  showAge();
  if (link !== "live") wanted = "";
}

// The pill counts by itself: old data is old whether the socket is down or the engine silent.
function showAge() {
  const down = pill.dataset.state === "stale" || pill.dataset.state === "offline";
  const old = !down && quotesAreOld(state.quotes);
  const { wordRefused, wordStale, wordOldQuotes } = desk.dataset;
  desk.dataset.stale = String(down || old);
  note.hidden = !down && !old;
  if (old) patchText(note.querySelector("[data-stale-text]"), wordOldQuotes);
  else patchText(note.querySelector("[data-stale-text]"), refusal ? `${wordRefused} ${refusal}` : wordStale);
}

new MutationObserver(showAge).observe(pill, { attributeFilter: ["data-state"] });
live = connectState({ url: desk.dataset.ws, onChange: paint, onState: linkState });
watchTicket(() => state, pick);
watchBlocks(() => state);
watchHolds();
setInterval(() => {
  tickAges(state.quotes);
  showAge();
}, 1000);
pick(desk.querySelector('[data-pick][aria-pressed="true"]')?.dataset.pick ?? "");

desk.addEventListener("click", (event) => {
  const button = event.target.closest("[data-pick]");
  if (!button) return;
  const select = document.querySelector("#ticket [name=symbol]");
  if (select && !select.closest("[data-frozen]")) select.value = button.dataset.pick;
  pick(button.dataset.pick);
});
document.addEventListener("htmx:afterSettle", () => {
  paintBlocks(state);
  paintAccounts(state.accounts);
  paintTicket(state);
  askForRows();
});
document.addEventListener("desk-done", (event) => {
  document.querySelector("#dialogs dialog[open]")?.close();
  toast("ok", event.detail.text);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "F9" || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  document.querySelector("#ticket [name=volume_lots]")?.select();
});
// A swapped-in dialog is opened by dialog.js; one that came back with errors is a new element.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id === "dialogs") {
    const dialog = event.target.querySelector("dialog[data-open-now]");
    if (dialog) openDialog(dialog.id);
  }
});
