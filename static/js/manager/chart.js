// Candles of bid prices (klinecharts), the last one kept up by live quotes.
/* global klinecharts */
import { cssColor } from "../dom.js";

const PERIODS = { M1: { type: "minute", span: 1 }, M5: { type: "minute", span: 5 }, M15: { type: "minute", span: 15 }, H1: { type: "hour", span: 1 } };
const MINUTES = { M1: 1, M5: 5, M15: 15, H1: 60 };

export function makeChart(figure, barsUrl) {
  const note = figure.querySelector("[data-chart-note]");
  const plot = figure.querySelector(".chart-plot");
  const chart = klinecharts.init(plot, { timezone: "UTC", styles: styles() });
  let symbol = "";
  let interval = "M1";
  let last = null;
  let push = null;
  let asked = 0;

  chart.setDataLoader({
    getBars: async ({ type, callback }) => {
      if (type !== "init" || !symbol) return callback([], false);
      const mine = ++asked;
      say(null);
      const bars = await fetchBars(symbol, interval);
      if (mine !== asked) return undefined;
      last = bars?.at(-1) ?? null;
      if (bars === null) say(figure.dataset.wordFailed);
      else if (!bars.length) say(figure.dataset.wordEmpty);
      return callback(bars ?? [], false);
    },
    subscribeBar: ({ callback }) => {
      push = callback;
    },
    unsubscribeBar: () => {
      push = null;
    },
  });

  function say(text) {
    note.textContent = text ?? "";
    note.hidden = !text;
  }

  async function fetchBars(name, size) {
    try {
      const answer = await fetch(`${barsUrl}?${new URLSearchParams({ symbol: name, interval: size })}`);
      if (!answer.ok) return null;
      const { bars } = await answer.json();
      return bars.map(([timestamp, open, high, low, close, volume]) => ({ timestamp, open: +open, high: +high, low: +low, close: +close, volume }));
    } catch {
      return null;
    }
  }

  function quote(quotes = {}) {
    const now = quotes[symbol];
    if (!now || !push) return;
    const slot = Math.floor(now.at_ms / (MINUTES[interval] * 60000)) * MINUTES[interval] * 60000;
    const price = Number(now.bid);
    if (last && slot < last.timestamp) return;
    if (!last || slot > last.timestamp) last = { timestamp: slot, open: price, high: price, low: price, close: price, volume: 0 };
    else if (last.close === price) return;
    else last = { ...last, close: price, high: Math.max(last.high, price), low: Math.min(last.low, price) };
    say(null);
    push(last);
  }

  function show(name, digits) {
    if (!name || name === symbol) return;
    symbol = name;
    last = null;
    document.querySelector("[data-chart-title]").textContent = name;
    figure.setAttribute("aria-label", `${figure.dataset.label ?? ""} ${name}`.trim());
    chart.setSymbol({ ticker: name, pricePrecision: digits, volumePrecision: 0 });
    chart.setPeriod(PERIODS[interval]);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-interval]");
    if (!button || button.dataset.interval === interval) return;
    interval = button.dataset.interval;
    last = null;
    for (const other of document.querySelectorAll("[data-interval]")) other.setAttribute("aria-pressed", String(other === button));
    chart.setPeriod(PERIODS[interval]);
  });
  document.addEventListener("themechange", () => chart.setStyles(styles()));
  new ResizeObserver(() => chart.resize()).observe(plot);
  return { show, quote };
}

// The words of the legend are the page's, not the library's.
function legend() {
  const words = document.getElementById("candles").dataset;
  const parts = [[words.wordOpen, "open"], [words.wordHigh, "high"], [words.wordLow, "low"], [words.wordClose, "close"]];
  return [{ title: "", value: "{time}" }, ...parts.map(([title, name]) => ({ title: `${title} `, value: `{${name}}` }))];
}

function styles() {
  const [up, down, text, muted, line, surface] = ["--up", "--down", "--text", "--text-muted", "--line", "--surface-3"].map(cssColor);
  const family = getComputedStyle(document.body).fontFamily;
  const label = { color: text, borderColor: surface, backgroundColor: surface, family };
  const axis = { axisLine: { color: line }, tickLine: { color: line }, tickText: { color: muted, size: 11, family } };
  return {
    grid: { horizontal: { color: line, style: "dashed" }, vertical: { show: false } },
    candle: {
      type: "candle_solid",
      bar: { upColor: up, downColor: down, noChangeColor: muted, upBorderColor: up, downBorderColor: down, noChangeBorderColor: muted, upWickColor: up, downWickColor: down, noChangeWickColor: muted },
      priceMark: { last: { upColor: up, downColor: down, noChangeColor: muted, text: { color: cssColor("--surface"), family } }, high: { color: muted, textFamily: family }, low: { color: muted, textFamily: family } },
      tooltip: { showRule: "follow_cross", title: { show: false }, legend: { color: muted, family, template: legend() } },
    },
    xAxis: axis,
    yAxis: axis,
    separator: { color: line },
    crosshair: { horizontal: { line: { color: muted }, text: label }, vertical: { line: { color: muted }, text: label } },
  };
}
