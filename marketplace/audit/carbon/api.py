"""The API of carbon: figures of agreements, and the registry of hourly certificates."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.agreements.selectors import placed_for
from marketplace.api.idempotency import idempotent
from marketplace.api.views import DomainListView, DomainView
from marketplace.audit.carbon import services
from marketplace.audit.carbon.figures import Figures, expected, metered
from marketplace.audit.carbon.models import Certificate
from marketplace.audit.carbon.selectors import certificates_for
from marketplace.clock import floor_hour
from marketplace.supply.selectors import sites_for

LARGEST = 2**62
MOST_CERTIFICATES = 10_000


class HourSerializer(serializers.Serializer[Any]):
    hour = serializers.DateTimeField()
    wh = serializers.IntegerField(help_text="with what the site adds to it (PUE)")
    located = serializers.DecimalField(
        max_digits=None, decimal_places=None, help_text="mg CO₂, location-based"
    )
    contracted = serializers.DecimalField(
        max_digits=None, decimal_places=None, help_text="mg CO₂, market-based"
    )
    covered = serializers.IntegerField(help_text="Wh of certificates")
    estimated = serializers.BooleanField(help_text="no meter counted energy")
    basis = serializers.CharField(
        help_text="what is known of the hour’s power; `annual` is declared for a year"
    )


class FiguresSerializer(serializers.Serializer[Any]):
    kwh = serializers.DecimalField(max_digits=None, decimal_places=None)
    located_kg = serializers.DecimalField(max_digits=None, decimal_places=None)
    contracted_kg = serializers.DecimalField(max_digits=None, decimal_places=None)
    covered_kwh = serializers.DecimalField(max_digits=None, decimal_places=None)
    estimated_hours = serializers.IntegerField()
    annual_hours = serializers.IntegerField()
    hours = HourSerializer(many=True)


class AgreementCarbonSerializer(serializers.Serializer[Any]):
    """Null where nobody has stated the power of the model."""

    agreement = serializers.IntegerField()
    expected = FiguresSerializer(allow_null=True)
    metered = FiguresSerializer(allow_null=True)


class CertificateForm(serializers.Serializer[Any]):
    issuer = serializers.CharField(max_length=80)
    first_serial = serializers.IntegerField(min_value=0, max_value=LARGEST)
    last_serial = serializers.IntegerField(min_value=0, max_value=LARGEST)
    plant = serializers.CharField(max_length=120)
    hour = serializers.DateTimeField(help_text="a full hour in UTC")
    wh = serializers.IntegerField(min_value=1, max_value=LARGEST)

    def validate_hour(self, hour: datetime) -> datetime:
        if hour != floor_hour(hour):
            raise serializers.ValidationError(_("A full hour is expected, for example 2026-03-02T08:00Z."))
        return hour

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if given["last_serial"] < given["first_serial"]:
            raise serializers.ValidationError(
                {"last_serial": _("The last serial number is before the first.")}
            )
        return given


class CertificatesForm(serializers.Serializer[Any]):
    certificates = serializers.ListField(
        child=CertificateForm(), allow_empty=False, max_length=MOST_CERTIFICATES
    )


class CertificateSerializer(serializers.ModelSerializer[Certificate]):
    first_serial = serializers.IntegerField(source="serials.lower")
    last_serial = serializers.SerializerMethodField()
    used_wh = serializers.IntegerField(default=0)

    class Meta:
        model = Certificate
        fields = (
            "id", "site", "issuer", "first_serial", "last_serial", "plant", "hour", "wh", "used_wh",
            "told_at",
        )  # fmt: skip

    def get_last_serial(self, certificate: Certificate) -> int:
        return int(certificate.serials.upper) - 1


class UseSerializer(serializers.Serializer[Any]):
    certificate = serializers.IntegerField(source="certificate_id")
    agreement = serializers.IntegerField(source="agreement_id")
    wh = serializers.IntegerField()


class AgreementCarbon(DomainView):
    @extend_schema(responses={200: AgreementCarbonSerializer})
    def get(self, request: Request, pk: int) -> Response:  # noqa: ARG002
        """Energy and carbon as expected when it was concluded and as metered, hour by hour."""
        agreement = get_object_or_404(placed_for(self.viewer), pk=pk)
        figures = {"expected": _told(expected(agreement)), "metered": _told(metered(agreement))}
        return Response(AgreementCarbonSerializer({"agreement": agreement.pk, **figures}).data)


def _told(figures: Figures | None) -> dict[str, Any] | None:
    if figures is None:
        return None
    names = ("kwh", "located_kg", "contracted_kg", "covered_kwh", "estimated_hours", "annual_hours")
    return {name: getattr(figures, name) for name in names} | {"hours": list(map(asdict, figures.hours))}


class SiteCertificates(DomainListView[Certificate]):
    serializer_class = CertificateSerializer
    queryset = Certificate.objects.none()

    def get_queryset(self) -> Any:
        site = get_object_or_404(sites_for(self.viewer), pk=self.kwargs["pk"])
        return certificates_for(self.viewer).filter(site=site)

    @extend_schema(request=CertificatesForm, responses={201: CertificateSerializer(many=True)})
    @idempotent
    def post(self, request: Request, pk: int) -> Response:
        """Register hourly certificates that are held for a site: all of them, or none."""
        site = get_object_or_404(sites_for(self.viewer), pk=pk)
        form = CertificatesForm(data=request.data)
        form.is_valid(raise_exception=True)
        given = [services.CertificateInput(**each) for each in form.validated_data["certificates"]]
        made = services.register(viewer=self.viewer, site=site, certificates=given, now=self.now)
        return Response(CertificateSerializer(made, many=True).data, status=status.HTTP_201_CREATED)


class CertificateMatch(DomainView):
    @extend_schema(request=None, responses={200: UseSerializer(many=True)})
    def post(self, request: Request, pk: int) -> Response:  # noqa: ARG002
        """Use the site's certificates for what agreements drew there in the same hours; each Wh once."""
        site = get_object_or_404(sites_for(self.viewer), pk=pk)
        return Response(
            UseSerializer(services.match(viewer=self.viewer, site=site, now=self.now), many=True).data
        )
