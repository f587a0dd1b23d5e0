// The equity curve: persisted points by range, money that moved marked, the last point live.
/* global uPlot */
import { cssColor, patchText } from "../dom.js";
import { moneyText, pnlText } from "../format.js";

const GAP_S = 3 * 3600; // a longer silence is drawn as a gap, not as a straight line

export function makeCurve(figure) {
  const plot = figure.querySelector(".chart-plot");
  const note = figure.querySelector("[data-chart-note]");
  const said = document.querySelector("[data-curve-said]");
  let data = null;
  let chart = null;
  let range = "7D";
  let asked = 0;
  let tail = null;

  function say(text) {
    note.textContent = text ?? "";
    note.hidden = !text;
  }

  async function show(name) {
    range = name;
    const mine = ++asked;
    say(figure.dataset.wordLoading);
    const found = await load(name);
    if (mine !== asked) return;
    data = found;
    if (!found) return fail(figure.dataset.wordFailed);
    if (found.at_s.length < 2) return fail(figure.dataset.wordEmpty);
    say(null);
    return draw();
  }

  function fail(text) {
    chart?.destroy();
    chart = null;
    patchText(said, "");
    say(text);
  }

  async function load(name) {
    try {
      const response = await fetch(`${figure.dataset.src}?range=${name}`, { headers: { Accept: "application/json" } });
      return response.ok ? await response.json() : null;
    } catch {
      return null;
    }
  }

  function columns() {
    const scale = 10 ** data.digits; // for the eye only: figures in text come from minor units
    const x = [...data.at_s];
    const equity = data.equity.map((minor) => minor / scale);
    const balance = data.balance.map((minor) => minor / scale);
    if (tail && tail.at_s > x.at(-1)) {
      x.push(tail.at_s);
      equity.push(tail.equity / scale);
      balance.push(tail.balance / scale);
    }
    return [x, equity, balance];
  }

  function draw() {
    chart?.destroy();
    plot.replaceChildren();
    chart = new uPlot(options(), columns(), plot);
    tell();
  }

  function options() {
    const line = cssColor("--brand-primary");
    const muted = cssColor("--text-muted");
    const grid = { stroke: cssColor("--line"), width: 1 };
    const font = `12px ${getComputedStyle(figure).fontFamily}`;
    const axis = { stroke: muted, grid, ticks: grid, font };
    const narrow = plot.clientWidth < 480;
    return {
      width: plot.clientWidth,
      height: plot.clientHeight,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      padding: [8, 4, 0, 8],
      cursor: { points: { size: 6 }, drag: { x: false, y: false } },
      scales: { x: { time: true } },
      series: [
        {},
        { stroke: line, width: 1.75, points: { show: false }, gaps: gapsOf },
        { stroke: muted, width: 1, dash: [4, 3], points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }), gaps: gapsOf },
      ],
      axes: [
        { ...axis, space: narrow ? 60 : 80, values: (self, ticks, _axis, _space, step) => ticks.map((tick) => timeText(tick, step)) },
        { ...axis, side: 1, size: narrow ? 62 : 78, values: (_, ticks) => ticks.map((value) => axisText(value)) },
      ],
      hooks: { draw: [drawFlows], setCursor: [tell] },
    };
  }

  const axisText = (value) => moneyText(Math.round(value * 10 ** data.digits), data.currency).replace(/[.,]00$/, "");

  function timeText(seconds, step) {
    const when = new Date(seconds * 1000);
    if (step < 86400 && seconds % 86400 !== 0) return when.toISOString().slice(11, step < 60 ? 19 : 16);
    return when.toLocaleDateString(document.documentElement.lang, { day: "numeric", month: "short", timeZone: "UTC" });
  }

  function gapsOf(self, series, first, last) {
    const x = self.data[0];
    const gaps = [];
    for (let at = first + 1; at <= last; at += 1) {
      if (x[at] - x[at - 1] > GAP_S) gaps.push([self.valToPos(x[at - 1], "x", true), self.valToPos(x[at], "x", true)]);
    }
    return gaps;
  }

  // A mark on the time axis for each deposit, withdrawal and fee: ▲ in, ▼ out.
  function drawFlows(self) {
    const { ctx, bbox } = self;
    const ratio = devicePixelRatio || 1;
    ctx.save();
    ctx.fillStyle = cssColor("--brand-accent");
    ctx.strokeStyle = ctx.fillStyle;
    ctx.font = `${11 * ratio}px sans-serif`;
    ctx.textAlign = "center";
    ctx.setLineDash([2 * ratio, 3 * ratio]);
    for (const flow of data.flows) {
      const x = self.valToPos(flow.at_s, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height - 14 * ratio);
      ctx.stroke();
      ctx.fillText(flow.amount > 0 ? "▲" : "▼", x, bbox.top + bbox.height - 3 * ratio);
    }
    ctx.restore();
  }

  // The same in words: the point under the cursor, else the whole stretch.
  function tell(self) {
    if (!data || data.at_s.length < 2) return;
    const { wordEquity, wordBalance, wordLow, wordHigh, wordFlows } = figure.dataset;
    const at = self?.cursor?.idx;
    const money = (minor) => `${moneyText(minor, data.currency)} ${data.currency}`;
    if (at !== undefined && at !== null) {
      const live = at >= data.at_s.length;
      const when = new Date((live ? tail.at_s : data.at_s[at]) * 1000).toISOString().slice(0, 16).replace("T", " ");
      const equity = live ? tail.equity : data.equity[at];
      const balance = live ? tail.balance : data.balance[at];
      patchText(said, `${when} UTC · ${wordEquity} ${money(equity)} · ${wordBalance} ${money(balance)}`);
      return;
    }
    const flows = data.flows.slice(-3).map((flow) => `${flow.label} ${pnlText(flow.amount, data.currency)}`);
    const last = tail ? tail.equity : data.equity.at(-1);
    const parts = [`${wordEquity} ${money(last)}`, `${wordLow} ${money(Math.min(...data.equity, last))}`, `${wordHigh} ${money(Math.max(...data.equity, last))}`];
    if (flows.length) parts.push(`${wordFlows}: ${flows.join(", ")}`);
    patchText(said, parts.join(" · "));
  }

  function live(atMs, account) {
    const before = tail?.at_s;
    tail = { at_s: Math.floor(atMs / 1000), equity: account.equity, balance: account.balance };
    if (!chart || tail.at_s === before) return;
    chart.setData(columns());
    tell(chart);
  }

  new ResizeObserver(() => chart?.setSize({ width: plot.clientWidth, height: plot.clientHeight })).observe(plot);
  document.addEventListener("themechange", () => chart && draw());
  return { show, live, range: () => range };
}
