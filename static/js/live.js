// A reconnecting socket: a snapshot, then frames, each with epoch and seq.
//
//   const live = connectLive({ url: "/ws/books/ID", onSnapshot, onFrame, onState });
//   live.send({ type: "watch", … });   // false when the socket is not open
//   live.close();
//
// Messages are JSON text: {type: "snapshot"|"frame"|"error", epoch, seq, at_ms, …}.
// onState gets {state: "connecting"|"live"|"stale"|"offline", atMs, code?}; at most once per change.
// A frame that is older than what is shown, or of an older epoch, is dropped. A frame of a new epoch,
// or a return after the page slept, asks for a fresh snapshot by connecting again.
import { learnClock } from "./freshness.js";

const STALE_MS = 5000;
const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 15000;
const FATAL = new Set([4401, 4403, 4404]);

export function liveUrl(path) {
  if (/^wss?:/.test(path)) return path;
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const port = document.documentElement.dataset.livePort;
  const host = port ? `${location.hostname}:${port}` : location.host;
  return `${scheme}//${host}${path}`;
}

export function connectLive(options) {
  const link = new Link(options);
  link.open();
  return { close: () => link.stop(), reconnect: () => link.restart(), send: (message) => link.send(message) };
}

class Link {
  constructor({ url, onSnapshot, onFrame, onState = () => {}, staleMs = STALE_MS }) {
    Object.assign(this, { url, onSnapshot, onFrame, onState, staleMs });
    this.attempt = 0;
    this.stopped = false;
    this.state = "";
    this.atMs = undefined;
    this.forget();
    this.onVisible = () => this.visible();
    this.onOnline = () => this.restart();
    document.addEventListener("visibilitychange", this.onVisible);
    globalThis.addEventListener("online", this.onOnline);
  }

  forget() {
    this.epoch = -1;
    this.seq = -1;
    this.ready = false;
  }

  tell(state, code) {
    if (state === this.state && code === undefined) return;
    this.state = state;
    this.onState({ state, atMs: this.atMs, code });
  }

  open() {
    if (this.stopped) return;
    this.forget();
    this.tell(this.attempt ? "offline" : "connecting");
    const socket = new WebSocket(liveUrl(this.url));
    this.socket = socket;
    socket.addEventListener("message", (event) => this.socket === socket && this.receive(event.data));
    socket.addEventListener("close", (event) => this.socket === socket && this.lost(event));
    this.listen();
  }

  receive(text) {
    const message = JSON.parse(text);
    if (message.type === "error") {
      this.tell("offline", message.code);
      return;
    }
    this.attempt = 0;
    if (message.type === "snapshot") this.take(message, this.onSnapshot);
    else if (message.type === "frame") this.frame(message);
  }

  frame(message) {
    if (!this.ready || message.epoch < this.epoch) return;
    if (message.epoch > this.epoch) {
      this.restart();
      return;
    }
    if (message.seq < this.seq) return;
    this.take(message, this.onFrame);
  }

  take(message, handler) {
    this.ready = true;
    this.epoch = message.epoch;
    this.seq = message.seq;
    this.atMs = message.at_ms;
    if (message.at_ms) learnClock(message.sent_ms ?? message.at_ms);
    handler(message);
    this.tell("live");
    this.listen();
  }

  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  // Silence is a state of its own: the socket may be open and nobody speaking.
  listen() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.ready && this.tell("stale"), this.staleMs);
  }

  lost(event) {
    clearTimeout(this.silence);
    this.socket = undefined;
    if (this.stopped) return;
    if (FATAL.has(event.code)) {
      this.tell("offline", event.reason || String(event.code));
      return;
    }
    this.tell("offline");
    this.attempt += 1;
    const ceiling = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.attempt - 1));
    this.retry = setTimeout(() => this.open(), ceiling / 2 + (Math.random() * ceiling) / 2);
  }

  restart() {
    if (this.stopped) return;
    clearTimeout(this.retry);
    this.drop();
    this.open();
  }

  // A page that slept has missed frames: a fresh snapshot, unless the socket kept up meanwhile.
  visible() {
    if (document.hidden || this.stopped) return;
    if (this.state !== "live") this.restart();
  }

  drop() {
    const socket = this.socket;
    this.socket = undefined;
    clearTimeout(this.silence);
    socket?.close(1000);
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.retry);
    this.drop();
    document.removeEventListener("visibilitychange", this.onVisible);
    globalThis.removeEventListener("online", this.onOnline);
  }
}
