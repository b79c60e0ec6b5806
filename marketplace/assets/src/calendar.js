// Dragging over the calendar of a fleet fills in the days and hours of the form beside it, and draws them where
// the rest of the form is filled in. Whoever has no pointer says the same in the fields.
const A_DAY = 86_400_000;

function cellAt(grid, event) {
  const box = grid.getBoundingClientRect();
  const share = (value, whole, count) => Math.min(count - 1, Math.max(0, Math.floor((value / whole) * count)));
  return {
    day: share(event.clientY - box.top, box.height, Number(grid.dataset.days)),
    hour: share(event.clientX - box.left, box.width, 24),
  };
}

function spanOf(one, other) {
  return {
    firstDay: Math.min(one.day, other.day),
    lastDay: Math.max(one.day, other.day),
    from: Math.min(one.hour, other.hour),
    until: Math.max(one.hour, other.hour) + 1,
  };
}

function mark(grid, span) {
  const chosen = grid.querySelector("[data-chosen]");
  const height = grid.getBoundingClientRect().height / Number(grid.dataset.days);
  chosen.setAttribute("x", `${(span.from / 24) * 100}%`);
  chosen.setAttribute("width", `${((span.until - span.from) / 24) * 100}%`);
  chosen.setAttribute("y", span.firstDay * height);
  chosen.setAttribute("height", (span.lastDay - span.firstDay + 1) * height);
}

function fillIn(grid, span) {
  const form = grid.closest("form");
  const dayAt = (number) => new Date(Date.parse(grid.dataset.first) + number * A_DAY).toISOString().slice(0, 10);
  form.elements.first_day.value = dayAt(span.firstDay);
  form.elements.last_day.value = dayAt(span.lastDay);
  form.elements.from_hour.value = span.from;
  form.elements.until_hour.value = span.until;
  if (form.checkValidity()) form.querySelector("[data-plan-add]").click();
  else form.reportValidity();
}

export function startCalendar() {
  let drag = null;
  document.addEventListener("pointerdown", (event) => {
    const grid = event.target.closest("[data-month-grid]");
    if (!grid || event.button !== 0) return;
    event.preventDefault();
    grid.setPointerCapture(event.pointerId);
    const begun = cellAt(grid, event);
    drag = { grid, begun, span: spanOf(begun, begun) };
    mark(grid, drag.span);
  });
  document.addEventListener("pointermove", (event) => {
    if (!drag) return;
    drag.span = spanOf(drag.begun, cellAt(drag.grid, event));
    mark(drag.grid, drag.span);
  });
  document.addEventListener("pointerup", () => {
    if (!drag) return;
    const { grid, span } = drag;
    drag = null;
    fillIn(grid, span);
  });
  document.addEventListener("pointercancel", () => {
    drag = null;
  });
}
