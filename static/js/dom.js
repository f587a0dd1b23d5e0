// Small helpers for pages with live figures. Text is patched in place: nodes stay, nothing moves.
import { PNL_MARKS, signName } from "./format.js";

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

export function patchText(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

// A figure written by the server's tags with live="NAME": patch its text, and its sign if it has one.
export function patchFigure(element, text, value) {
  if (!element) return;
  patchText(element.querySelector("[data-figure]") ?? element, text);
  if (value === undefined || !element.classList.contains("pnl")) return;
  const sign = signName(value);
  if (element.dataset.sign === sign) return;
  element.dataset.sign = sign;
  patchText(element.querySelector(".pnl-mark"), PNL_MARKS[sign]);
}

// live="NAME" figures of a page by name; rows are looked up once, not at every frame.
export function liveFigures(root = document) {
  const figures = new Map();
  for (const element of root.querySelectorAll("[data-live]")) figures.set(element.dataset.live, element);
  return figures;
}

export function flash(element, direction) {
  if (!element || document.hidden) return;
  element.classList.remove("flash-up", "flash-down");
  void element.offsetWidth; // restarts the animation
  element.classList.add(direction > 0 ? "flash-up" : "flash-down");
}

// A colour token as the browser resolves it now (light-dark() included), for canvas.
export function cssColor(name) {
  const probe = document.createElement("span");
  probe.hidden = true;
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}

const MARKS = { ok: "✓", warn: "!", bad: "✕", info: "i" };
const TOAST_MS = 8000;

// A short notice. Errors stay until dismissed by the next page; the rest leave by themselves.
export function toast(tone, text, code = "") {
  const box = document.createElement("div");
  box.className = "alert";
  box.dataset.tone = tone;
  const mark = document.createElement("span");
  mark.className = "alert-mark";
  mark.setAttribute("aria-hidden", "true");
  mark.textContent = MARKS[tone] ?? "i";
  const body = document.createElement("div");
  body.className = "alert-body";
  body.textContent = text;
  if (code) {
    const small = document.createElement("span");
    small.className = "alert-code id";
    small.textContent = ` ${code}`;
    body.append(small);
  }
  box.append(mark, body);
  document.getElementById("toasts")?.append(box);
  box.addEventListener("click", () => box.remove());
  if (tone !== "bad") setTimeout(() => box.remove(), TOAST_MS);
}
