// Dark or light: as the system has it, unless one chose.

const KEY = "portico_chat_theme";

export const theme = () => localStorage.getItem(KEY) ?? "";

export function initTheme() {
  document.documentElement.dataset.theme = theme();
}

/** "dark", "light", or "" for what the system says. */
export function setTheme(name) {
  if (name) localStorage.setItem(KEY, name);
  else localStorage.removeItem(KEY);
  initTheme();
}
