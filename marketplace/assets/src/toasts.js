// Toasts come from Django's messages, from the "toast" event ({text, tone}) that a response may trigger,
// and from requests that failed. Those that ask for attention stay until they are closed.
const STAY = 8_000;

function show(text, tone) {
  const region = document.getElementById("toasts");
  const toast = document.getElementById("toast-template").content.firstElementChild.cloneNode(true);
  toast.querySelector("[data-toast-text]").textContent = text;
  toast.dataset.toast = tone;
  if (tone === "harm" || tone === "attention") {
    toast.classList.replace("notice-info", `notice-${tone}`);
  }
  region.append(toast);
  leaveLater(toast);
}

function leaveLater(toast) {
  if (!["info", "success", "debug"].includes(toast.dataset.toast)) return;
  let timer = setTimeout(() => toast.remove(), STAY);
  toast.addEventListener("pointerenter", () => clearTimeout(timer));
  toast.addEventListener("focusin", () => clearTimeout(timer));
  toast.addEventListener("pointerleave", () => {
    timer = setTimeout(() => toast.remove(), STAY / 2);
  });
}

export function startToasts() {
  document.querySelectorAll("#toasts [data-toast]").forEach(leaveLater);
  document.addEventListener("click", (event) => {
    event.target.closest("[data-toast-close]")?.closest("[data-toast]").remove();
  });
  const words = document.body.dataset;
  document.addEventListener("toast", (event) => show(event.detail.text, event.detail.tone ?? "info"));
  document.addEventListener("htmx:responseError", (event) => {
    const said = event.detail.xhr.getResponseHeader("HX-Trigger")?.includes('"toast"');
    if (!said) show(words.sayFailed, "harm");
  });
  document.addEventListener("htmx:sendError", () => show(words.sayOffline, "harm"));
  document.addEventListener("htmx:beforeRequest", (event) => event.detail.target?.setAttribute("aria-busy", "true"));
  document.addEventListener("htmx:afterRequest", (event) => event.detail.target?.removeAttribute("aria-busy"));
}
