"""The list of requests."""

from __future__ import annotations

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from marketplace.demand.models import ComputeRequest
from marketplace.demand.presentation import Line
from marketplace.demand.selectors import with_alternatives
from marketplace.web import formats, tables


def _asked_for(line: Line) -> SafeString:
    if line.alternatives < 2:
        return format_html("{}", line.sentence)
    others = _("or one of %(number)s alternatives") % {"number": formats.number(line.alternatives)}
    return format_html('{} <span class="text-muted">{}</span>', line.sentence, others)


REQUESTS: tables.Table[ComputeRequest, Line] = tables.registered(
    tables.Table(
        name="requests",
        title=gettext_lazy("Requests"),
        columns=(
            tables.name(
                "request",
                gettext_lazy("Request"),
                lambda line: line.request,
                link=lambda line: reverse("demand:request", args=[line.request.pk]),
                value=lambda line: line.request.pk,
                sort="pk",
            ),
            tables.text(
                "title",
                gettext_lazy("Title"),
                lambda line: line.request.title,
                sort="title",
                width="min-w-32",
            ),
            tables.text(
                "buyer",
                gettext_lazy("Buyer"),
                lambda line: line.request.organisation,
                sort="organisation__name_en",
            ),
            tables.text(
                "asked",
                gettext_lazy("Asked for"),
                lambda line: line.sentence,
                cell=_asked_for,
                width="min-w-48",
            ),
            tables.aside(
                tables.number("alternatives", gettext_lazy("Alternatives"), lambda line: line.alternatives)
            ),
            tables.text("limit", gettext_lazy("Limit"), lambda line: line.limit, is_number=True),
            tables.moment("deadline", gettext_lazy("Done by"), lambda line: line.deadline),
            tables.moment(
                "entered", gettext_lazy("Entered"), lambda line: line.request.entered_at, sort="entered_at"
            ),
            tables.state("state", gettext_lazy("State"), lambda line: line.request.state, sort="state"),
        ),
        first="-request",
        whole=with_alternatives,
    )
)
