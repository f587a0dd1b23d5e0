// Runs static/js/live.js outside a browser: node's own WebSocket, the least of a document.
// argv: url of the module, socket url, stale after (ms). Prints one JSON line per call-back.
const [module, url, staleMs] = process.argv.slice(2);
const listeners = {};
globalThis.document = {
  hidden: false,
  documentElement: { dataset: {} },
  addEventListener: (name, call) => { listeners[name] = call; },
  removeEventListener: (name) => { delete listeners[name]; },
};
globalThis.addEventListener = () => {};
globalThis.removeEventListener = () => {};
const say = (what, detail) => console.log(JSON.stringify({ what, ...detail }));
const { connectLive } = await import(module);
const live = connectLive({
  url,
  staleMs: Number(staleMs),
  onSnapshot: (m) => say("snapshot", { epoch: m.epoch, seq: m.seq }),
  onFrame: (m) => say("frame", { epoch: m.epoch, seq: m.seq }),
  onState: ({ state, code }) => say("state", { state, code }),
});
for await (const part of process.stdin) {
  const order = String(part).trim();
  if (order === "show") listeners.visibilitychange?.();
  if (order === "close") { live.close(); break; }
}
process.exit(0);
