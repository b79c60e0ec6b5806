// "/" opens the search wherever nothing is being typed; the arrows go through what is found. Without this
// script the same link leads to a page that does the same.
export function startPalette() {
  const palette = document.getElementById("palette");
  if (!palette) return;
  const field = palette.querySelector("input");
  const open = () => {
    if (palette.open) return;
    palette.showModal();
    field.select();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-palette]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest("input, select, textarea, dialog[open], [contenteditable]")) return;
    event.preventDefault();
    open();
  });
  palette.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.isComposing) return;
    event.preventDefault();
    const stops = [field, ...palette.querySelectorAll("[data-found] a")];
    const at = stops.indexOf(document.activeElement);
    stops[(at + step + stops.length) % stops.length].focus();
  });
  // Return in the field opens the first thing found; where nothing is, the form leads to the page.
  palette.querySelector("form").addEventListener("submit", (event) => {
    const first = palette.querySelector("[data-found] a");
    if (!first || palette.querySelector("[aria-busy]")) return;
    event.preventDefault();
    first.click();
  });
}
