// Dark and light: what the system says, unless the visitor chose here.

const STORED = "forecast-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

function stored() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null; // storage is switched off: the system's theme it is
  }
}

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : dark.matches;
}

function told(toggle) {
  toggle.setAttribute("aria-pressed", String(isDark()));
  document.dispatchEvent(new Event("themechange"));
}

export function installTheme(toggle) {
  const chosen = stored();
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  toggle.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem(STORED, theme);
    } catch {
      // it lasts as long as the page
    }
    told(toggle);
  });
  dark.addEventListener("change", () => told(toggle));
  told(toggle);
}
