// The theme buttons, without a trip to the server; the cookie is what the server reads next time.
const YEAR_S = 365 * 24 * 3600;

export function applyTheme(theme) {
  const root = document.documentElement;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  if (theme === "light" || theme === "dark") {
    root.dataset.theme = theme;
    document.cookie = `theme=${theme}; Path=/; Max-Age=${YEAR_S}; SameSite=Lax${secure}`;
  } else {
    delete root.dataset.theme;
    document.cookie = `theme=; Path=/; Max-Age=0; SameSite=Lax${secure}`;
  }
  for (const button of document.querySelectorAll("[data-theme-form] button")) {
    button.setAttribute("aria-pressed", String(button.value === (root.dataset.theme ?? "auto")));
  }
  announce();
}

// Charts draw on canvas: they redraw on this event.
function announce() {
  document.dispatchEvent(new CustomEvent("themechange"));
}

export function watchTheme() {
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-theme-form]")) return;
    event.preventDefault();
    applyTheme(event.submitter?.value ?? "auto");
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", announce);
}
