// Parts of pages that ask again by themselves pause while nobody looks, and ask once when somebody does.
import htmx from "htmx.org";

const POLLS = "[hx-trigger*='every ']";

export function startLive() {
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && event.detail.elt.matches(POLLS)) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    for (const each of document.querySelectorAll(POLLS)) htmx.trigger(each, "seen");
  });
}
