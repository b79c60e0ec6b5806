"""The kinds of events: what is said of each, who is told, and how, unless somebody wants it otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.actors import Capability
from marketplace.notifications.models import Kind, Mail


class Facts(NamedTuple):
    """``needs`` is the capability of those who are told."""

    text: str | Promise
    needs: Capability
    mail: Mail


# Invoices that are overdue are also dunned by mail, so the notification itself is not mailed.
KINDS: Mapping[str, Facts] = {
    Kind.MATCHED: Facts(
        _("%(request)s “%(title)s” is matched: %(cards)s cards, %(value)s at most."),
        Capability.READ,
        Mail.AT_ONCE,
    ),
    Kind.EXPIRED: Facts(
        _("%(request)s “%(title)s” was not matched in time and has expired."), Capability.READ, Mail.AT_ONCE
    ),
    Kind.SOLD: Facts(
        _("%(run)s sold %(card_hours)s card-hours of yours for %(value)s."), Capability.READ, Mail.DAILY
    ),
    Kind.DELIVERY_FAILED: Facts(
        _("%(delivery)s ended before its time: %(why)s"), Capability.READ, Mail.AT_ONCE
    ),
    Kind.AGENT_SILENT: Facts(
        _(
            "The agent of %(site)s is silent. Until it is heard again, none of the site’s offers enters a "
            "market run. What is sold stays sold, and has to be delivered."
        ),
        Capability.TRADE,
        Mail.AT_ONCE,
    ),
    Kind.INVOICE_ISSUED: Facts(
        _("Invoice %(number)s over %(total)s is due on %(due)s."), Capability.FINANCE, Mail.AT_ONCE
    ),
    Kind.INVOICE_OVERDUE: Facts(
        _("Invoice %(number)s is %(days)s days overdue: %(open)s are open."), Capability.FINANCE, Mail.NEVER
    ),
    Kind.INVOICE_PAID: Facts(_("%(amount)s arrived for invoice %(number)s."), Capability.FINANCE, Mail.DAILY),
    Kind.STATEMENT_ISSUED: Facts(
        _("Statement %(number)s credits you with %(total)s."), Capability.FINANCE, Mail.DAILY
    ),
    Kind.PAYOUT_SENT: Facts(_("%(amount)s are on their way to you."), Capability.FINANCE, Mail.AT_ONCE),
    Kind.PAYOUT_FAILED: Facts(_("A payout of %(amount)s failed: %(why)s"), Capability.FINANCE, Mail.AT_ONCE),
    Kind.FINDING: Facts(
        _("%(finding)s is about your organisation. Read what was seen, and say why it is so."),
        Capability.ADMINISTER,
        Mail.AT_ONCE,
    ),
    Kind.FINDING_NEWS: Facts(
        _("An auditor wrote to you about %(finding)s, or closed it."), Capability.ADMINISTER, Mail.AT_ONCE
    ),
    Kind.JOB_ENDED: Facts(_("%(job)s has ended."), Capability.READ, Mail.NEVER),
}
REASONS: Mapping[Capability, str | Promise] = {
    Capability.READ: _("You get this because you belong to %(organisation)s."),
    Capability.TRADE: _("You get this because you trade for %(organisation)s."),
    Capability.ADMINISTER: _("You get this because you administer %(organisation)s."),
    Capability.FINANCE: _("You get this because you see the money of %(organisation)s."),
}
