from __future__ import annotations

import zoneinfo
from datetime import timedelta

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation, Role, Scope, User

FOREVER = "0"
OF_PEOPLE = [(scope.value, scope.label) for scope in Scope if scope != Scope.AGENT]
"""What people give to tokens. An agent gets its token by enrolling."""


class OrganisationForm(forms.Form):
    kind = forms.ChoiceField(
        label=_("What it does here"),
        choices=[
            (Organisation.Kind.BUYER, _("It needs compute (buyer)")),
            (Organisation.Kind.OWNER, _("It has compute to sell (owner)")),
        ],
        widget=forms.RadioSelect,
    )
    name_en = forms.CharField(label=_("Name in English"), max_length=120)
    name_zh = forms.CharField(label=_("Name in Chinese"), max_length=120)
    jurisdiction = forms.RegexField(
        label=_("Jurisdiction"),
        regex=r"^[A-Z]{2,3}$",
        help_text=_("Two letters, for example CN."),
        error_messages={"invalid": _("Two or three capital letters, for example CN.")},
    )
    time_zone = forms.ChoiceField(label=_("Time zone"))

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        zones = sorted(zoneinfo.available_timezones())
        self.fields["time_zone"].choices = [(zone, zone) for zone in zones]  # type: ignore[attr-defined]
        self.fields["time_zone"].initial = "Asia/Shanghai"


class InvitationForm(forms.Form):
    email = forms.EmailField(label=_("Email"))
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, initial=Role.VIEWER)


class JoinForm(forms.Form):
    """Makes the account of somebody who was invited to ``email``."""

    name = forms.CharField(label=_("Your name"), max_length=120, required=False)
    password = forms.CharField(
        label=_("Choose a password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("At least 12 characters."),
    )
    again = forms.CharField(
        label=_("The same password again"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: object, email: str, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.email = email

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password, User(email=self.email, name=self.cleaned_data.get("name", "")))
        return password

    def clean_again(self) -> str:
        again: str = self.cleaned_data["again"]
        if "password" in self.cleaned_data and again != self.cleaned_data["password"]:
            raise forms.ValidationError(_("The two passwords differ."))
        return again

    def account(self) -> dict[str, str]:
        return {"name": self.cleaned_data["name"], "password": self.cleaned_data["password"]}


class RoleForm(forms.Form):
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)


class TokenForm(forms.Form):
    name = forms.CharField(
        label=_("What it is for"), max_length=80, help_text=_("For example: monthly reports")
    )
    scopes = forms.MultipleChoiceField(
        label=_("What it may do"), choices=OF_PEOPLE, widget=forms.CheckboxSelectMultiple
    )
    days = forms.TypedChoiceField(
        label=_("How long it works"),
        choices=[
            ("30", _("30 days")),
            ("90", _("90 days")),
            ("365", _("1 year")),
            (FOREVER, _("Until revoked")),
        ],
        coerce=int,
        initial="365",
    )

    def lifetime(self) -> timedelta | None:
        """None: it works until somebody revokes it."""
        days: int = self.cleaned_data["days"]
        return timedelta(days=days) if days else None
