"""What operators enter by hand: exchange rates and carbon prices. Both are added, never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from accounts.actors import Actor
from accounts.models import User
from marketplace.catalogue import services
from marketplace.catalogue.models import CarbonPrice, FxRate
from marketplace.clock import market_now

if TYPE_CHECKING:
    from django.forms import ModelForm
    from django.http import HttpRequest


@admin.register(FxRate)
class FxRateAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ("currency", "cny", "valid_from", "source")
    list_filter = ("currency",)
    ordering = ("-valid_from", "currency")

    def has_change_permission(self, request: HttpRequest, obj: FxRate | None = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: FxRate | None = None) -> bool:  # noqa: ARG002
        return False

    def save_model(self, request: HttpRequest, obj: FxRate, form: ModelForm[FxRate], change: bool) -> None:  # noqa: ARG002
        assert isinstance(request.user, User)  # noqa: S101 - the admin let nobody else in
        services.enter_fx_rate(obj, actor=Actor(user=request.user), now=market_now())


@admin.register(CarbonPrice)
class CarbonPriceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ("per_tonne", "currency", "valid_from", "source")
    ordering = ("-valid_from",)
    exclude = ("currency",)

    def has_change_permission(self, request: HttpRequest, obj: CarbonPrice | None = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: CarbonPrice | None = None) -> bool:  # noqa: ARG002
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: CarbonPrice,
        form: ModelForm[CarbonPrice],  # noqa: ARG002
        change: bool,  # noqa: ARG002
    ) -> None:
        assert isinstance(request.user, User)  # noqa: S101 - the admin let nobody else in
        services.enter_carbon_price(obj, actor=Actor(user=request.user), now=market_now())
