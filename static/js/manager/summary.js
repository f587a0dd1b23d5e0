// AUM, floating P&L, sub-accounts, the lowest margin level.
import { liveFigures, patchFigure, patchText } from "../dom.js";
import { moneyText, percentText, pnlText, scaledText } from "../format.js";

const figures = liveFigures(document.querySelector(".term-stats"));
const parts = document.querySelector("[data-aum-parts]");

// One figure for each currency, each read from left to right in every language.
function part(currency) {
  const found = parts.querySelector(`[data-aum="${CSS.escape(currency)}"]`);
  if (found) return found;
  const span = document.createElement("span");
  span.className = "num";
  span.dataset.aum = currency;
  parts.append(span);
  return span;
}

export function paintSummary({ book = {}, aum = {} }) {
  if (book.currency === undefined) return;
  patchFigure(figures.get("book:aum"), moneyText(book.aum, book.currency));
  patchFigure(figures.get("book:floating"), pnlText(book.floating, book.currency), book.floating);
  patchFigure(figures.get("book:accounts"), scaledText(book.accounts, 0));
  const level = book.lowest_level_ppm;
  patchFigure(figures.get("book:level"), level === undefined ? "–" : percentText(level, 1));
  patchText(figures.get("book:below"), scaledText(book.below_full_margin, 0));
  const several = Object.keys(aum).length > 1;
  for (const [name, minor] of several ? Object.entries(aum) : []) patchText(part(name), `${moneyText(minor, name)} ${name}`);
  for (const span of parts.querySelectorAll("[data-aum]")) if (!several || !(span.dataset.aum in aum)) span.remove();
}
