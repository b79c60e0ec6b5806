"""A small API of its own, so that what is tested here depends on no slice."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.urls import include, path
from rest_framework import serializers
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.idempotency import idempotent
from marketplace.api.views import DomainListView, DomainView
from marketplace.catalogue.models import SoftwareStack
from marketplace.errors import DomainError, InvalidInput, NotAllowed


class StackSerializer(serializers.ModelSerializer[SoftwareStack]):
    class Meta:
        model = SoftwareStack
        fields = ("id", "slug", "name")


class OutOfCards(DomainError):
    code = "out_of_cards"
    title = "Not enough cards"


class Gate:
    """Lets a test hold a request inside its transaction."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.go_on = threading.Event()
        self.closed = False

    def pass_through(self) -> None:
        self.inside.set()
        if self.closed:
            assert self.go_on.wait(20)


gate = Gate()


class Stacks(DomainListView[SoftwareStack]):
    serializer_class = StackSerializer
    queryset = SoftwareStack.objects.all()

    @idempotent
    def post(self, request: Request) -> Response:
        form = StackSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        stack = form.save()
        gate.pass_through()
        if stack.name == "fails":
            raise OutOfCards("This one always fails.")
        data = {"slug": stack.slug, "id": stack.pk, "price": Decimal("1.50"), "at": self.now}
        return Response(data, status=201, headers={"Location": f"/stacks/{stack.pk}"})


class Lenient(DomainView):
    @idempotent(required=False)
    def post(self, request: Request) -> Response:  # noqa: ARG002
        stack = SoftwareStack.objects.create(slug=f"s{SoftwareStack.objects.count()}", name="x")
        return Response({"slug": stack.slug}, status=201)


class Alternative(serializers.Serializer[Any]):
    limit = serializers.DecimalField(max_digits=8, decimal_places=2)


class Form(serializers.Serializer[Any]):
    title = serializers.CharField()
    alternatives = Alternative(many=True)

    def validate(self, attrs: Any) -> Any:
        if attrs["title"] == "whole":
            raise serializers.ValidationError("It does not fit together.")
        return attrs


class Wrong(DomainView):
    """Raises what the address names."""

    errors: ClassVar[dict[str, Exception]] = {
        "domain": OutOfCards(
            "Fleet 3 has 8 cards, 16 were asked for.", cards=8, status="x", price=Decimal("1.20")
        ),
        "input": InvalidInput("Not listed.", {"alternatives.0.limit": "Too high."}),
        "not_allowed": NotAllowed("Ask an administrator."),
        "denied": PermissionDenied(),
        "missing": Http404(),
        "throttled": Throttled(wait=7),
        "bug": ZeroDivisionError("secret inner detail"),
    }

    def get(self, request: Request, kind: str) -> Response:  # noqa: ARG002
        raise self.errors[kind]

    def post(self, request: Request, kind: str) -> Response:
        Form(data=request.data).is_valid(raise_exception=True)
        return Response({"kind": kind})


urlpatterns = [
    path("api/stacks", Stacks.as_view()),
    path("api/lenient", Lenient.as_view()),
    path("api/wrong/<slug:kind>", Wrong.as_view()),
    path("", include("marketplace.urls")),
]
handler500 = "marketplace.api.problems.server_error"
