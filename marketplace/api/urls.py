"""The API's addresses. Each slice has an ``api_urls.py`` and one line here."""

from django.urls import include, path, re_path

from marketplace.api.documentation import Documentation, Schema, unknown_address

app_name = "api"

v1 = [
    path("", include("accounts.api_urls")),
    path("", include("marketplace.catalogue.api_urls")),
    path("", include("marketplace.supply.api_urls")),
    path("", include("marketplace.energy.api_urls")),
    path("", include("marketplace.demand.api_urls")),
    path("", include("marketplace.clearing.api_urls")),
    path("", include("marketplace.agreements.api_urls")),
    path("", include("marketplace.agents.api_urls")),
    path("", include("marketplace.delivery.api_urls")),
    path("", include("billing.metering.api_urls")),
    path("", include("billing.rating.api_urls")),
    path("", include("billing.ledger.api_urls")),
    path("", include("billing.invoicing.api_urls")),
    path("", include("billing.payments.api_urls")),
    path("", include("marketplace.audit.api_urls")),
    path("", include("marketplace.audit.compliance.api_urls")),
    path("", include("marketplace.audit.carbon.api_urls")),
    path("", include("marketplace.audit.findings.api_urls")),
]

urlpatterns = [
    path("v1/", include(v1)),
    path("schema/", Schema.as_view(), name="schema"),
    path("docs/", Documentation.as_view(), name="docs"),
    re_path(r"", unknown_address, name="unknown"),
]
