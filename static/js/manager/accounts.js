// The sub-accounts on the shown page: live figures in place.
import { patchFigure } from "../dom.js";
import { moneyText, percentText, pnlText } from "../format.js";

const rows = () => document.querySelectorAll("tr[data-account]");

export const watchedAccounts = () => [...rows()].map((row) => row.dataset.account);

export function paintAccounts(accounts = {}) {
  for (const row of rows()) {
    const figures = accounts[row.dataset.account];
    if (!figures) continue;
    const { currency } = figures;
    const cell = (name) => row.querySelector(`[data-live="a:${name}"]`);
    patchFigure(cell("balance"), moneyText(figures.balance, currency));
    patchFigure(cell("equity"), moneyText(figures.equity, currency));
    patchFigure(cell("floating"), pnlText(figures.floating, currency), figures.floating);
    patchFigure(cell("margin"), moneyText(figures.margin, currency));
    const level = figures.level_ppm;
    patchFigure(cell("level"), level === undefined ? "–" : percentText(level, 1));
    if (level !== undefined && level < 1_500_000) row.dataset.tone = level < 1_000_000 ? "bad" : "warn";
    else delete row.dataset.tone;
  }
}
