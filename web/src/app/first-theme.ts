/*
 * Runs before anything is drawn, so that who has chosen light or dark never sees a flash of the other. It stands alone, imports
 * nothing, and does of `shell/theme` what must not wait for the rest.
 */
try {
  const theme: unknown = JSON.parse(localStorage.getItem("snapasset.theme") ?? "null");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {}
