// Keeps what is typed into a form until it has arrived: over an expired login, the back button, a crash. It
// stays in this tab's storage under the reader's own key, and is given back by the server, which knows how
// many parts the form had.
import htmx from "htmx.org";

const SENT = ":sent";

function typed(form) {
  const found = {};
  for (const [name, value] of new FormData(form)) {
    if (name !== "csrfmiddlewaretoken") (found[name] ??= []).push(value);
  }
  return found;
}

async function giveBack(place, kept) {
  await htmx.ajax("POST", place.dataset.keepAt, {
    target: `#${place.firstElementChild.id}`,
    select: `#${place.firstElementChild.id}`,
    swap: "outerHTML",
    values: { ...JSON.parse(kept), restore: "yes" },
  });
  document.dispatchEvent(new CustomEvent("toast", { detail: { text: place.dataset.sayKept } }));
}

function watch(place) {
  const key = `typed:${place.dataset.keep}`;
  const kept = sessionStorage.getItem(key);
  if (kept && "keepFresh" in place.dataset) giveBack(place, kept);
  const keep = () => {
    sessionStorage.setItem(key, JSON.stringify(typed(place.querySelector("form"))));
    sessionStorage.removeItem(key + SENT);
  };
  place.addEventListener("input", keep);
  place.addEventListener("htmx:afterSettle", keep);
  place.addEventListener("submit", () => sessionStorage.setItem(key + SENT, "yes"));
  place.addEventListener("click", (event) => {
    if (event.target.closest("[data-keep-not]")) sessionStorage.removeItem(key);
  });
}

function arrived(key) {
  if (!sessionStorage.getItem(key + SENT)) return;
  sessionStorage.removeItem(key + SENT);
  sessionStorage.removeItem(key);
}

export function startKeeping() {
  document.querySelectorAll("[data-keep]").forEach(watch);
  document.querySelectorAll("[data-arrived]").forEach((each) => arrived(`typed:${each.dataset.arrived}`));
}
