// Native modal dialogs: data-dialog-open="ID" opens, data-dialog-close closes; focus returns by itself.

export function openDialog(id) {
  const dialog = document.getElementById(id);
  if (dialog && !dialog.open) dialog.showModal();
  return dialog;
}

export function watchDialogs() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog-open]");
    if (opener) {
      openDialog(opener.dataset.dialogOpen);
      return;
    }
    if (event.target.closest("[data-dialog-close]")) event.target.closest("dialog")?.close();
    // A click on the backdrop is a click on the dialog itself, outside its box.
    if (event.target instanceof HTMLDialogElement && outside(event)) event.target.close();
  });
  // Content brought by htmx may be a dialog that wants to be open at once.
  document.addEventListener("htmx:afterSwap", (event) => {
    const dialog = event.target.querySelector?.("dialog[data-open-now]");
    if (dialog && !dialog.open) dialog.showModal();
  });
}

function outside(event) {
  if (event.target.matches("[data-keep]")) return false;
  const box = event.target.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
}
