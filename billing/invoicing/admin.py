"""What operators enter by hand: tax rules and dunning policies. A rule may be given an end, no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin

from accounts.actors import Actor
from accounts.models import User
from billing.invoicing import reference
from billing.invoicing.models import DunningPolicy, DunningStep, TaxRule
from marketplace.clock import market_now

if TYPE_CHECKING:
    from django.forms import ModelForm
    from django.http import HttpRequest


@admin.register(TaxRule)
class TaxRuleAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ("seller", "buyer", "treatment", "rate", "valid_from", "valid_until")
    list_filter = ("seller", "buyer", "treatment")
    ordering = ("seller", "buyer", "-valid_from")

    def get_readonly_fields(self, request: HttpRequest, obj: TaxRule | None = None) -> Any:  # noqa: ARG002
        """All but the end of a rule that is there; once it has one, that too."""
        if obj is None:
            return ()
        return [
            field.name
            for field in TaxRule._meta.fields
            if field.name != "valid_until" or obj.valid_until is not None
        ]

    def has_delete_permission(self, request: HttpRequest, obj: TaxRule | None = None) -> bool:  # noqa: ARG002
        return False

    def save_model(self, request: HttpRequest, obj: TaxRule, form: ModelForm[TaxRule], change: bool) -> None:
        assert isinstance(request.user, User)  # noqa: S101 - the admin let nobody else in
        actor, now = Actor(user=request.user), market_now()
        if not change:
            reference.enter_tax_rule(obj, actor=actor, now=now)
        elif "valid_until" in form.changed_data and obj.valid_until is not None:
            reference.end_tax_rule(obj, on=obj.valid_until, actor=actor, now=now)


class DunningStepInline(admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    model = DunningStep
    extra = 4
    can_delete = False


@admin.register(DunningPolicy)
class DunningPolicyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ("name", "valid_from", "days_to_pay")
    ordering = ("-valid_from",)
    inlines = (DunningStepInline,)

    def has_change_permission(self, request: HttpRequest, obj: DunningPolicy | None = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: DunningPolicy | None = None) -> bool:  # noqa: ARG002
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: DunningPolicy,
        form: ModelForm[DunningPolicy],  # noqa: ARG002
        change: bool,  # noqa: ARG002
    ) -> None:
        assert isinstance(request.user, User)  # noqa: S101 - the admin let nobody else in
        reference.enter_policy(obj, actor=Actor(user=request.user), now=market_now())
