// A button that acts only when it is held: by mouse, finger, or Enter and Space.
// A click that no press made (assistive technology) has to come twice.
const HOLD_MS = 1000;
const AGAIN_MS = 5000;
let timer = 0;
let held = null;

function start(button) {
  stop();
  held = button;
  button.dataset.held = "";
  timer = setTimeout(() => {
    stop();
    button.form.requestSubmit(button);
  }, HOLD_MS);
}

function stop() {
  clearTimeout(timer);
  delete held?.dataset.held;
  held = null;
}

function askAgain(button) {
  if (button.dataset.armed === undefined) {
    button.dataset.armed = "";
    button.textContent = button.dataset.wordAgain;
    setTimeout(() => {
      delete button.dataset.armed;
      button.textContent = button.dataset.wordHold;
    }, AGAIN_MS);
  } else button.form.requestSubmit(button);
}

export function watchHolds() {
  const of = (event) => event.target.closest?.("[data-hold]");
  document.addEventListener("pointerdown", (event) => {
    const button = of(event);
    if (button && !button.disabled && event.button === 0) start(button);
  });
  for (const end of ["pointerup", "pointercancel", "blur"]) addEventListener(end, stop);
  document.addEventListener("keydown", (event) => {
    const button = of(event);
    if (!button || !["Enter", " "].includes(event.key)) return;
    event.preventDefault(); // neither submits by itself
    if (!event.repeat && !button.disabled) start(button);
  });
  document.addEventListener("keyup", stop);
  document.addEventListener("click", (event) => {
    const button = of(event);
    if (!button) return;
    event.preventDefault(); // a press that was let go too early
    if (event.detail === 0 && event.isTrusted) askAgain(button);
  });
}
