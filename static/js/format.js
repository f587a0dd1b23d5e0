// Figures as text, equal to the server's (tenants/figures.py). Exact where the server is exact:
// minor units, points and steps are integers (a Number below 2^53, or a BigInt).

export const MINUS = "\u2212";
export const PNL_MARKS = { up: "▲", down: "▼", flat: "•" };
const CURRENCY_DIGITS = { JPY: 0, KRW: 0, VND: 0, CLP: 0, BHD: 3, KWD: 3, OMR: 3 };

export function marks() {
  const root = globalThis.document?.documentElement.dataset ?? {};
  return { decimal: root.decimal ?? ".", group: root.group ?? "," };
}

export const currencyDigits = (currency) => CURRENCY_DIGITS[currency] ?? 2;
export const signName = (value) => (value > 0 ? "up" : value < 0 ? "down" : "flat");

export function scaledText(value, digits, { signed = false, grouped = true, separators = marks() } = {}) {
  const whole = BigInt(value);
  const negative = whole < 0n;
  const text = String(negative ? -whole : whole).padStart(digits + 1, "0");
  const cut = text.length - digits;
  let head = text.slice(0, cut);
  if (grouped) head = head.replace(/\B(?=(\d{3})+$)/g, separators.group);
  const figure = digits ? head + separators.decimal + text.slice(cut) : head;
  if (negative) return MINUS + figure;
  return signed && whole > 0n ? `+${figure}` : figure;
}

export const moneyText = (minor, currency, options = {}) => scaledText(minor, currencyDigits(currency), options);
export const pnlText = (minor, currency) => scaledText(minor, currencyDigits(currency), { signed: true });
export const priceText = (points, digits, options = {}) => scaledText(points, digits, { ...options, grouped: false });

// volumeStep as the server writes it: "0.01", "1", "0.001".
export function lotsText(steps, volumeStep, options = {}) {
  const [whole, fraction = ""] = String(volumeStep).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "").split(".");
  return scaledText(BigInt(steps) * BigInt(whole + fraction), fraction.length, options);
}

// A ratio in parts per million, the exact form in which frames carry it: 123400 is 12.34%.
export function percentText(ppm, digits = 2, options = {}) {
  const shift = 4 - digits;
  const scaled = shift <= 0 ? BigInt(ppm) * 10n ** BigInt(-shift) : halfEven(BigInt(ppm), 10n ** BigInt(shift));
  return `${scaledText(scaled, digits, options)}%`;
}

function halfEven(value, unit) {
  const size = value < 0n ? -value : value;
  const quotient = size / unit;
  const twice = (size % unit) * 2n;
  const up = twice > unit || (twice === unit && quotient % 2n === 1n) ? 1n : 0n;
  return value < 0n ? -(quotient + up) : quotient + up;
}

export function ageText(ageMs) {
  const seconds = Math.floor(Math.max(0, ageMs) / 1000);
  for (const [size, symbol] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${symbol}`;
  }
  return `${seconds} s`;
}
