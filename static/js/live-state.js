// A state kept by the server: connectLive's snapshot replaces it, its frames patch it (RFC 7396,
// as apps/live/patch.py makes them: null removes, objects merge, everything else replaces).
//
//   connectState({ url, onChange: (state, message) => …, onState });  onChange at most once a frame.
import { connectLive } from "./live.js";

export function merge(state, patch) {
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete state[key];
    else if (typeof value === "object" && !Array.isArray(value)) {
      const before = state[key];
      state[key] = merge(before !== null && typeof before === "object" && !Array.isArray(before) ? before : {}, value);
    } else state[key] = value;
  }
  return state;
}

export function connectState({ url, onChange, onState }) {
  let state = {};
  let message = null;
  let queued = false;
  // A hidden page draws nothing; what it missed is in the state when it is seen again.
  const draw = () => {
    queued = false;
    onChange(state, message);
  };
  const changed = (latest) => {
    message = latest;
    if (queued) return;
    queued = true;
    requestAnimationFrame(draw);
  };
  return connectLive({
    url,
    onState,
    onSnapshot: (latest) => {
      state = latest.state;
      changed(latest);
    },
    onFrame: (latest) => {
      merge(state, latest.patch);
      changed(latest);
    },
  });
}
