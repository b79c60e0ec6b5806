"""What a pack is asked for with."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from marketplace.audit.evidence.models import EvidencePack


class PackForm(forms.Form):
    case = forms.ChoiceField(label=_("Case"), choices=EvidencePack.Case)
    subject = forms.IntegerField(label=_("Number"), min_value=1, max_value=2**63 - 1)
    starts_at = forms.DateTimeField(label=_("From, of a site"), required=False)
    ends_at = forms.DateTimeField(label=_("Until, of a site"), required=False)

    def clean(self) -> dict[str, Any]:
        """A window belongs to a site; of the other cases everything is packed."""
        facts = super().clean() or {}
        if facts.get("case") != EvidencePack.Case.SITE:
            facts |= {"starts_at": None, "ends_at": None}
        return facts
