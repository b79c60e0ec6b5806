// The theme and the reader's time zone live in cookies, so that the server renders them right away.
const A_YEAR = 31_536_000;
const ORDER = ["", "paper", "ink"];

function setCookie(name, value, age = A_YEAR) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${value}; Path=/; Max-Age=${age}; SameSite=Lax${secure}`;
}

export function rememberZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.split("; ").includes(`zone=${zone}`)) setCookie("zone", zone);
}

function say(button) {
  const theme = document.documentElement.dataset.theme ?? "";
  const words = { "": "sayAuto", paper: "sayPaper", ink: "sayInk" }[theme];
  button.title = button.dataset[words];
  button.setAttribute("aria-label", button.dataset[words]);
}

export function startTheme() {
  for (const button of document.querySelectorAll("[data-theme-toggle]")) {
    button.hidden = false;
    say(button);
    button.addEventListener("click", () => {
      const root = document.documentElement;
      const next = ORDER[(ORDER.indexOf(root.dataset.theme ?? "") + 1) % ORDER.length];
      if (next) root.dataset.theme = next;
      else delete root.dataset.theme;
      setCookie("theme", next, next ? A_YEAR : 0);
      say(button);
    });
  }
}
