// Open tickets: the price each would close at now, and its P&L.
import { $$, patchFigure } from "../dom.js";
import { pnlText } from "../format.js";

export function paintTickets(root, tickets) {
  for (const row of $$("[data-ticket]", root)) {
    const ticket = tickets[row.dataset.ticket];
    if (ticket?.price === undefined) continue;
    patchFigure(row.querySelector("[data-now] .num"), ticket.price);
    patchFigure(row.querySelector("[data-pnl] .num"), pnlText(ticket.pnl, row.dataset.currency), ticket.pnl);
  }
}
