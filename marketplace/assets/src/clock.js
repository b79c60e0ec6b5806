// Lets the market clock tick at the market's speed, and countdowns count down to their moment.
const MINUTE = 60_000;

function two(number) {
  return String(number).padStart(2, "0");
}

function remaining(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const hours = Math.floor(seconds / 3600);
  const minutes = two(Math.floor(seconds / 60) % 60);
  return `${hours ? `${hours}:` : ""}${minutes}:${two(seconds % 60)}`;
}

export function startClock() {
  const clock = document.querySelector("[data-clock]");
  if (!clock) return;
  const start = Date.parse(clock.dateTime);
  const speed = Number(clock.dataset.speed) || 1;
  const opened = performance.now();
  const face = clock.querySelector("[data-clock-time]");
  const day = clock.querySelector(".clock-date");
  const shownDay = day?.textContent;
  const language = document.documentElement.lang;
  const dayOf = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
  const dayAtStart = dayOf.format(start);
  let lastMinute = "";

  function tick() {
    const now = start + (performance.now() - opened) * speed;
    const local = new Date(now);
    const minute = `${two(local.getHours())}:${two(local.getMinutes())}`;
    if (minute !== lastMinute && Math.floor(now / MINUTE) !== Math.floor(start / MINUTE)) {
      face.textContent = minute;
      clock.dateTime = local.toISOString();
      const today = dayOf.format(now);
      if (day) day.textContent = today === dayAtStart ? shownDay : today;
    }
    lastMinute = minute;
    for (const element of document.querySelectorAll("[data-countdown]")) {
      element.textContent = remaining((Date.parse(element.dateTime) - now) / speed);
    }
  }
  tick();
  setInterval(tick, 1000);
}
