// The watch list: bid, ask, spread in points, and how old each quote is.
import { flash, patchText } from "../dom.js";
import { ageText, scaledText } from "../format.js";
import { OLD_QUOTE_MS, serverNow } from "../freshness.js";

const rows = new Map();
for (const row of document.querySelectorAll("[data-quote]")) {
  const cells = Object.fromEntries(["bid", "ask", "spread", "age"].map((name) => [name, row.querySelector(`[data-${name}]`)]));
  rows.set(row.dataset.quote, { row, ...cells });
}

export const pointsOf = (price) => BigInt(price.replace(".", ""));

export function paintQuotes(quotes = {}) {
  for (const [symbol, { row, bid, ask, spread, age }] of rows) {
    const quote = quotes[symbol];
    if (!quote) continue;
    const before = bid.textContent;
    patchText(bid, quote.bid);
    patchText(ask, quote.ask);
    patchText(spread, scaledText(pointsOf(quote.ask) - pointsOf(quote.bid), 0));
    if (before !== quote.bid && /\d/.test(before)) flash(bid, pointsOf(quote.bid) > pointsOf(before) ? 1 : -1);
    paintAge(row, age, quote);
  }
}

export function tickAges(quotes = {}) {
  for (const [symbol, { row, age }] of rows) if (quotes[symbol]) paintAge(row, age, quotes[symbol]);
}

function paintAge(row, cell, quote) {
  const old = serverNow() - quote.at_ms;
  patchText(cell, ageText(old));
  row.toggleAttribute("data-old", old > OLD_QUOTE_MS);
}
