// Runs before the first paint, so that a dark room stays dark: the person's choice, else the device's.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try { chosen = localStorage.getItem("theme"); } catch { /* storage may be off: the device's choice then */ }
  const show = () => { document.documentElement.dataset.theme = chosen ?? (dark.matches ? "dark" : "light"); };
  dark.addEventListener("change", show);
  show();
})();
