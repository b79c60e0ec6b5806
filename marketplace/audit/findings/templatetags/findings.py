"""What other pages say about findings."""

from __future__ import annotations

from typing import Any

from django import template
from django.template.context import RequestContext

from marketplace.audit.findings.selectors import open_findings as count_open
from marketplace.supply.models import Site

register = template.Library()


@register.inclusion_tag("findings/_open.html", takes_context=True)
def open_findings(context: RequestContext, site: Site | None = None) -> dict[str, Any]:
    """A line that leads to the findings under way, in all or about a site, where the reader may see any."""
    return {"count": count_open(context["request"].viewer, site=site), "site": site}
