"""What of the findings is shown, and what is written about one."""

from __future__ import annotations

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from marketplace.audit.findings.detectors import DETECTORS
from marketplace.audit.findings.models import CLOSED, UNDER_WAY, Finding, FindingSubject, Severity, State
from marketplace.audit.findings.selectors import auditors


class FindingFilter(forms.Form):
    """A value that does not exist shows everything. A site is named by links only."""

    STATES = (("", _("Under way")), ("all", _("All")), *State.choices)
    state = forms.ChoiceField(label=_("State"), choices=STATES, required=False)
    severity = forms.ChoiceField(
        label=_("Severity"), choices=[("", _("Any severity")), *Severity.choices], required=False
    )
    detector = forms.ChoiceField(
        label=_("What was seen"),
        choices=[("", _("Anything")), *((name, each.title) for name, each in DETECTORS.items())],
        required=False,
    )
    owner = forms.ModelChoiceField(
        User.objects.none(), label=_("Auditor"), required=False, empty_label=_("Anybody")
    )
    site = forms.IntegerField(required=False, widget=forms.HiddenInput, min_value=1, max_value=2**63 - 1)

    def __init__(self, *args: object, for_auditors: bool) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        if for_auditors:
            self.fields["owner"].queryset = auditors()  # type: ignore[attr-defined]
        else:
            del self.fields["owner"]

    def of(self, rows: QuerySet[Finding]) -> QuerySet[Finding]:
        self.is_valid()
        chosen = {name: value for name, value in self.cleaned_data.items() if value}
        state, site = chosen.pop("state", ""), chosen.pop("site", None)
        rows = rows.filter(**chosen)
        if site is not None:
            rows = rows.filter(pk__in=FindingSubject.objects.filter(site=site).values("finding"))
        if state == "all":
            return rows
        return rows.filter(state=state) if state else rows.filter(state__in=UNDER_WAY)


class AssignForm(forms.Form):
    auditor = forms.ModelChoiceField(User.objects.none(), label=_("Auditor"))

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.fields["auditor"].queryset = auditors()  # type: ignore[attr-defined]


class MessageForm(forms.Form):
    """Without an organisation it is a note among auditors."""

    organisation = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    text = forms.CharField(max_length=4000)


class CloseForm(forms.Form):
    outcome = forms.ChoiceField(
        label=_("Outcome"), choices=[(each.value, State(each).label) for each in CLOSED]
    )
    reason = forms.CharField(max_length=2000)
