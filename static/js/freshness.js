// The pill that says how old the data is. It counts by itself, so silence shows without any message.
import { patchText } from "./dom.js";
import { ageText } from "./format.js";

const TICK_MS = 1000;
let skewMs = 0;

// The server's clock minus ours, learnt from messages that have just arrived.
export function learnClock(serverMs) {
  skewMs = serverMs - Date.now();
}

export const serverNow = () => Date.now() + skewMs;

// The engine speaks each second though no price moves: how old the prices are is another question.
export const OLD_QUOTE_MS = 15000; // the engine takes no order on an older quote

export function quotesAreOld(quotes = {}) {
  const times = Object.values(quotes).map((quote) => quote.at_ms);
  return times.length > 0 && serverNow() - Math.max(...times) > OLD_QUOTE_MS;
}

export function setFreshness(pill, { atMs, state } = {}) {
  if (!pill) return;
  if (atMs !== undefined) pill.dataset.atMs = String(atMs);
  if (state !== undefined) pill.dataset.link = state;
  paint(pill);
}

function paint(pill) {
  const { atMs, link, staleAfterMs } = pill.dataset;
  const ageMs = atMs ? serverNow() - Number(atMs) : null;
  let state = "connecting";
  if (link === "offline") state = "offline";
  else if (ageMs !== null && link !== "connecting") state = ageMs > Number(staleAfterMs || 5000) ? "stale" : "live";
  if (pill.dataset.state !== state) pill.dataset.state = state;
  const word = `word${state[0].toUpperCase()}${state.slice(1)}`;
  patchText(pill.querySelector("[data-fresh-word]"), pill.dataset[word] ?? state);
  patchText(pill.querySelector("[data-fresh-age]"), ageMs === null ? "" : ageText(ageMs));
  const scope = pill.closest("[data-fresh-scope]");
  if (scope) scope.dataset.stale = String(state !== "live");
}

export function watchFreshness() {
  setInterval(() => {
    if (!document.hidden) document.querySelectorAll("[data-fresh]").forEach(paint);
  }, TICK_MS);
}
