"""What stands inside a cell. Fifty rows of ten cells are too many to render a component for each."""

from __future__ import annotations

from datetime import datetime

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from marketplace.web import formats
from marketplace.web.states import state_of

NOT_KNOWN = "\N{EM DASH}"

# Shapes beside colours, so that a state is not told by its colour alone. On a grid of 8 × 8.
MARKS: dict[str, str] = {
    "open": '<circle cx="4" cy="4" r="3"/>',
    "quiet": '<path d="M0 4h8"/>',
    "attention": '<path fill="currentColor" stroke="none" d="M4 0 8 8H0Z"/>',
    "harm": '<path d="M1 1l6 6M7 1L1 7"/>',
    "good": '<path d="M.5 4.5 3 7l4.5-5.5"/>',
}
A_LEVEL = '<path fill="currentColor" stroke="none" d="M0 0h8v8H0Z"/>'


def state_mark(tone: str) -> SafeString:
    """The shape of a tone; the levels of utilisation share one."""
    return mark_safe(  # noqa: S308 all of it is written above
        '<svg class="mark" viewBox="0 0 8 8" aria-hidden="true" focusable="false" fill="none" '
        f'stroke="currentColor" stroke-width="2">{MARKS.get(tone, A_LEVEL)}</svg>'
    )


def badge(code: str, label: object = "") -> SafeString:
    """A state by its code, in its own words or in those of the label."""
    known = state_of(code)
    return toned(known.tone, label or known.label)


def toned(tone: str, label: object) -> SafeString:
    """A state that has a tone and words of its own."""
    return format_html('<span class="state state-{}">{}{}</span>', tone, state_mark(tone), label)


def moment(at: datetime | None) -> SafeString:
    if at is None:
        return escape(NOT_KNOWN)
    utc = formats.utc(at)
    return format_html('<time datetime="{}" title="{}">{}</time>', utc, utc, formats.moment(at))


def window(start: datetime, end: datetime) -> SafeString:
    utc, until = formats.utc(start), formats.utc(end)
    return format_html(
        '<time datetime="{}/{}" title="{} / {}">{}</time>',
        utc,
        until,
        utc,
        until,
        formats.slot_range(start, end),
    )


def link(address: str, shown: object) -> SafeString:
    return format_html('<a href="{}">{}</a>', address, shown)
