// [data-copy="text"] copies its text at full precision and says so.
export function startCopying() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    document.dispatchEvent(
      new CustomEvent("toast", { detail: { text: `${document.body.dataset.sayCopied}: ${button.dataset.copy}`, tone: "success" } }),
    );
  });
}
