// AUM, floating P&L, sub-accounts, the lowest margin level.
import { liveFigures, patchFigure, patchText } from "../dom.js";
import { moneyText, percentText, pnlText, scaledText } from "../format.js";

const figures = liveFigures(document.querySelector(".term-stats"));
const parts = document.querySelector("[data-aum-parts]");

export function paintSummary({ book = {}, aum = {} }) {
  if (book.currency === undefined) return;
  patchFigure(figures.get("book:aum"), moneyText(book.aum, book.currency));
  patchFigure(figures.get("book:floating"), pnlText(book.floating, book.currency), book.floating);
  patchFigure(figures.get("book:accounts"), scaledText(book.accounts, 0));
  const level = book.lowest_level_ppm;
  patchFigure(figures.get("book:level"), level === undefined ? "–" : percentText(level, 1));
  patchText(figures.get("book:below"), scaledText(book.below_full_margin, 0));
  const several = Object.keys(aum).length > 1;
  const text = several ? Object.entries(aum).map(([name, minor]) => `${moneyText(minor, name)} ${name}`).join(" · ") : "";
  patchText(parts, text);
}
