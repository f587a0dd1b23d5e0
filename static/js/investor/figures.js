// What the portfolio socket says of one account, written into the figures that the server rendered.
import { liveFigures, patchFigure, patchText } from "../dom.js";
import { moneyText, percentText, pnlText } from "../format.js";

export function makeFigures(root, chosen) {
  const figures = liveFigures(root);
  return (accounts) => {
    for (const [key, account] of Object.entries(accounts)) {
      paint(figures, `:${key}`, account);
      if (key === chosen) paint(figures, "", account);
    }
  };
}

function paint(figures, suffix, account) {
  for (const name of ["balance", "equity", "margin"]) {
    patchFigure(figures.get(name + suffix), moneyText(account[name], account.currency));
  }
  patchFigure(figures.get(`floating${suffix}`), pnlText(account.floating, account.currency), account.floating);
  const level = figures.get(`level${suffix}`);
  if (level) patchText(level, account.level_ppm === undefined ? "–" : percentText(account.level_ppm, 0));
}
