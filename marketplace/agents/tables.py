"""The list of agents."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from marketplace.agents.models import Agent
from marketplace.agents.presentation import AgentLine
from marketplace.web import tables

AGENTS: tables.Table[Agent, AgentLine] = tables.registered(
    tables.Table(
        name="agents",
        title=_("Site agents"),
        columns=(
            tables.name(
                "site",
                _("Site"),
                lambda line: line.agent.site,
                link=lambda line: reverse("agents:site", args=[line.agent.site_id]),
                sort="site__name_en",
                width="min-w-48",
            ),
            tables.text(
                "owner",
                _("Owner"),
                lambda line: line.agent.site.owner,
                sort="site__owner__name_en",
                width="min-w-32",
            ),
            tables.state("state", _("State"), lambda line: line.state),
            tables.moment("seen", _("Last heard"), lambda line: line.agent.seen_at, sort="seen_at"),
            tables.number("unsent", _("Events unsent"), lambda line: line.agent.unsent, sort="unsent"),
            tables.number(
                "lag", _("Oldest of them"), lambda line: line.lag_hours, unit="h", sort="unsent_since"
            ),
            tables.number(
                "clock", _("Clock ahead"), lambda line: line.agent.clock_ahead, unit="s", sort="clock_ahead"
            ),
            tables.text("version", _("Version"), lambda line: line.agent.version, sort="version"),
            tables.text("driver", _("Driver"), lambda line: line.agent.driver, sort="driver"),
            tables.aside(
                tables.moment(
                    "reconciled",
                    _("Last reconciled"),
                    lambda line: line.agent.reconciled_at,
                    sort="reconciled_at",
                )
            ),
            tables.aside(
                tables.moment("enrolled", _("Enrolled"), lambda line: line.agent.enrolled_at, sort="pk")
            ),
        ),
        first="seen",
    )
)
