"""States as readers see them: one label and one tone for each, so that a word never changes colour."""

from __future__ import annotations

from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy


class State(NamedTuple):
    """``tone`` is open, good, quiet, attention, harm, or a level (offered, sold, allocated, active)."""

    label: str | Promise
    tone: str


LEVEL_NAMES: dict[str, str | Promise] = {
    "installed": pgettext_lazy("level", "installed"),
    "offered": pgettext_lazy("level", "offered"),
    "sold": pgettext_lazy("level", "sold"),
    "allocated": pgettext_lazy("level", "allocated"),
    "active": pgettext_lazy("level", "active"),
    "attention": pgettext_lazy("level", "needs attention"),
    "harm": pgettext_lazy("level", "failed"),
}

STATES: dict[str, State] = {
    "accepted": State(pgettext_lazy("state", "accepted"), "good"),
    "accepting": State(pgettext_lazy("state", "accepting"), "quiet"),
    "active": State(pgettext_lazy("state", "active"), "active"),
    "allocated": State(pgettext_lazy("state", "allocated"), "allocated"),
    "approved": State(pgettext_lazy("state", "approved"), "good"),
    "breach": State(pgettext_lazy("state", "in breach"), "harm"),
    "breached": State(pgettext_lazy("state", "breached"), "harm"),
    "cancelled": State(pgettext_lazy("state", "cancelled"), "quiet"),
    "closed": State(pgettext_lazy("state", "closed"), "quiet"),
    "committed": State(pgettext_lazy("state", "committed"), "good"),
    "complies": State(pgettext_lazy("state", "complies"), "good"),
    "completed": State(pgettext_lazy("state", "completed"), "good"),
    "concluded": State(pgettext_lazy("state", "concluded"), "good"),
    "conflict": State(pgettext_lazy("state", "conflict"), "harm"),
    "curing": State(pgettext_lazy("state", "in breach, curing"), "harm"),
    "declined": State(pgettext_lazy("state", "declined"), "quiet"),
    "delivering": State(pgettext_lazy("state", "delivering"), "active"),
    "disputed": State(pgettext_lazy("state", "disputed"), "attention"),
    "done": State(pgettext_lazy("state", "done"), "good"),
    "draft": State(pgettext_lazy("state", "draft"), "quiet"),
    "dropped": State(pgettext_lazy("state", "not concluded"), "quiet"),
    "due": State(pgettext_lazy("state", "due"), "open"),
    "ended": State(pgettext_lazy("state", "ended"), "quiet"),
    "estimated": State(pgettext_lazy("state", "estimated"), "attention"),
    "expired": State(pgettext_lazy("state", "expired"), "quiet"),
    "evicted": State(pgettext_lazy("state", "evicted"), "harm"),
    "failed": State(pgettext_lazy("state", "failed"), "harm"),
    "finalised": State(pgettext_lazy("state", "finalised"), "good"),
    "grace": State(pgettext_lazy("state", "in grace"), "attention"),
    "halted": State(pgettext_lazy("state", "halted"), "harm"),
    "looking": State(pgettext_lazy("state", "being looked at"), "attention"),
    "answered": State(pgettext_lazy("state", "answered"), "open"),
    "confirmed": State(pgettext_lazy("state", "confirmed"), "harm"),
    "dismissed": State(pgettext_lazy("state", "dismissed"), "quiet"),
    "notice": State(pgettext_lazy("state", "notice"), "quiet"),
    "warning": State(pgettext_lazy("state", "warning"), "attention"),
    "serious": State(pgettext_lazy("state", "serious"), "harm"),
    "late": State(pgettext_lazy("state", "late"), "attention"),
    "matched": State(pgettext_lazy("state", "matched"), "sold"),
    "measured": State(pgettext_lazy("state", "measured"), "good"),
    "offered": State(pgettext_lazy("state", "offered"), "offered"),
    "offline": State(pgettext_lazy("state", "offline"), "harm"),
    "online": State(pgettext_lazy("state", "online"), "good"),
    "open": State(pgettext_lazy("state", "open"), "open"),
    "overdue": State(pgettext_lazy("state", "overdue"), "harm"),
    "paid": State(pgettext_lazy("state", "paid"), "good"),
    "parked": State(pgettext_lazy("state", "parked"), "attention"),
    "partly_matched": State(pgettext_lazy("state", "partly matched"), "attention"),
    "pending": State(pgettext_lazy("state", "pending"), "open"),
    "proposed": State(pgettext_lazy("state", "proposed"), "open"),
    "provisioning": State(pgettext_lazy("state", "provisioning"), "quiet"),
    "published": State(pgettext_lazy("state", "published"), "good"),
    "queued": State(pgettext_lazy("state", "waiting"), "open"),
    "rejected": State(pgettext_lazy("state", "rejected"), "harm"),
    "running": State(pgettext_lazy("state", "running"), "open"),
    "scheduled": State(pgettext_lazy("state", "scheduled"), "quiet"),
    "signed": State(pgettext_lazy("state", "signed"), "good"),
    "snapshotted": State(pgettext_lazy("state", "snapshotted"), "quiet"),
    "sold": State(pgettext_lazy("state", "sold"), "sold"),
    "suspended": State(pgettext_lazy("state", "suspended"), "attention"),
    "terminated": State(pgettext_lazy("state", "terminated"), "quiet"),
    "unmatched": State(pgettext_lazy("state", "unmatched"), "attention"),
    "verified": State(pgettext_lazy("state", "verified"), "good"),
    "unknown": State(pgettext_lazy("state", "not known"), "quiet"),
    "withdrawn": State(pgettext_lazy("state", "withdrawn"), "quiet"),
}


def state_of(code: str) -> State:
    """The state of a code, in whatever case it is stored; an unlisted one shows its own name."""
    key = code.lower().replace("-", "_").replace(" ", "_")
    return STATES.get(key) or State(code.replace("_", " ").lower(), "quiet")
