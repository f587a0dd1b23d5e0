// Blocks: live floating P&L and prices in the rows, open rows that stay open, the closing dialog.
import { patchFigure, patchText } from "../dom.js";
import { lotsText, pnlText } from "../format.js";

export function paintBlocks({ blocks = {}, quotes = {}, book = {} }) {
  for (const row of document.querySelectorAll("tr[data-block]")) {
    const quote = quotes[row.dataset.symbol];
    const buy = row.dataset.side === "1";
    if (quote) {
      patchText(row.querySelector("[data-close-price]"), buy ? quote.bid : quote.ask);
      patchText(row.querySelector("[data-open-price]"), buy ? quote.ask : quote.bid);
    }
    const block = blocks[row.dataset.block];
    if (block) patchFigure(row.querySelector('[data-live="b:floating"]'), pnlText(block.floating, book.currency), block.floating);
  }
  for (const name of ["open", "pending"]) {
    const total = document.querySelector(`[data-blocks="${name}"]`)?.dataset.total;
    if (total !== undefined) patchText(document.querySelector(`[data-count="${name}"]`), total);
  }
  paintClosing(blocks, book);
}

// What is being closed, in words on the button: volume and its part of the P&L.
function paintClosing(blocks, book) {
  const button = document.querySelector("[data-close-submit]");
  if (!button) return;
  const block = blocks[button.dataset.block];
  const dialog = button.closest("dialog");
  if (block) patchFigure(dialog.querySelector('[data-live="close:floating"]'), pnlText(block.floating, book.currency), block.floating);
  const steps = stepsOf(dialog.querySelector("[name=volume_lots]").value, button.dataset.step);
  const floating = block?.floating ?? button.dataset.floating;
  if (button.dataset.asks || steps === null) return;
  const open = BigInt(button.dataset.openSteps);
  let text = `${button.dataset.word} ${lotsText(steps, button.dataset.step)} ${button.dataset.lots}`;
  if (floating !== undefined && open > 0n && steps <= open) {
    const part = (BigInt(floating) * steps) / open;
    text += ` (≈ ${pnlText(part, book.currency ?? button.dataset.currency)} ${book.currency ?? button.dataset.currency})`;
  }
  patchText(button, text);
}

// Lots as typed → steps, exact; null when it is not a multiple of the step.
export function stepsOf(text, step) {
  const places = (step.split(".")[1] ?? "").length;
  const match = /^(\d+)(?:[.,](\d*))?$/.exec(text.trim());
  if (!match || (match[2] ?? "").replace(/0+$/, "").length > places) return null;
  const scaled = BigInt(match[1] + (match[2] ?? "").padEnd(places, "0").slice(0, places));
  const unit = BigInt(step.replace(".", ""));
  return scaled % unit === 0n ? scaled / unit : null;
}

export function watchBlocks(stateNow) {
  // A table that fetches itself says which of its rows are open, and gets them open.
  document.addEventListener("htmx:configRequest", (event) => {
    const table = event.target.closest?.("[data-blocks]");
    if (!table || event.target !== table) return;
    const open = [...table.querySelectorAll('[data-block-toggle][aria-expanded="true"]')].map((toggle) => toggle.dataset.blockToggle);
    if (open.length) event.detail.parameters.set("open", open[0]);
    for (const id of open.slice(1)) event.detail.parameters.append("open", id);
  });
  document.addEventListener("click", (event) => {
    const part = event.target.closest("[data-part]");
    if (!part) return;
    const button = part.closest("dialog").querySelector("[data-close-submit]");
    const steps = (BigInt(button.dataset.openSteps) * BigInt(part.dataset.part) + 50n) / 100n;
    part.closest("dialog").querySelector("[name=volume_lots]").value = lotsText(steps, button.dataset.step, { grouped: false, separators: { decimal: ".", group: "" } });
    paintBlocks(stateNow());
  });
  document.addEventListener("input", (event) => {
    if (event.target.closest("#close-form")) paintBlocks(stateNow());
  });
}
