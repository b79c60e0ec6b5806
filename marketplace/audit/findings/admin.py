"""Operators enter who controls whom. Links are added and ended, never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from accounts.actors import Actor
from accounts.models import User
from marketplace.audit.findings import services
from marketplace.audit.findings.models import OwnershipLink
from marketplace.clock import market_now

if TYPE_CHECKING:
    from django.forms import ModelForm
    from django.http import HttpRequest


@admin.register(OwnershipLink)
class OwnershipLinkAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ("controller", "controlled", "since", "until", "source")
    ordering = ("-pk",)

    def get_readonly_fields(self, request: HttpRequest, obj: OwnershipLink | None = None) -> tuple[str, ...]:  # noqa: ARG002
        return () if obj is None else ("controller", "controlled", "since", "source")

    def has_delete_permission(self, request: HttpRequest, obj: OwnershipLink | None = None) -> bool:  # noqa: ARG002
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: OwnershipLink,
        form: ModelForm[OwnershipLink],  # noqa: ARG002
        change: bool,
    ) -> None:
        assert isinstance(request.user, User)  # noqa: S101 - the admin let nobody else in
        actor, now = Actor(user=request.user), market_now()
        if not change:
            services.enter_link(obj, actor=actor, now=now)
        elif obj.until is not None:
            services.end_link(obj, until=obj.until, actor=actor, now=now)
