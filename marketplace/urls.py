"""Every address. The pages of a slice are in its ``urls.py``, its part of the API in ``api_urls.py``."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from marketplace.api.documentation import explain_problem
from marketplace.observability.health import healthz, readyz
from marketplace.web.home import home

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("api/", include("marketplace.api.urls")),
    path("problems/<slug:code>", explain_problem, name="problem"),
    path("", include("accounts.urls")),
    path("", home, name="home"),
    path("", include("marketplace.clearing.urls")),
    path("", include("marketplace.catalogue.urls")),
    path("", include("marketplace.supply.urls")),
    path("", include("marketplace.energy.urls")),
    path("", include("marketplace.demand.urls")),
    path("", include("marketplace.agreements.urls")),
    path("", include("marketplace.agents.urls")),
    path("", include("marketplace.delivery.urls")),
    path("", include("billing.payments.urls")),
    path("", include("billing.urls")),
    path("", include("marketplace.audit.urls")),
    path("", include("marketplace.audit.evidence.urls")),
    path("", include("marketplace.audit.compliance.urls")),
    path("", include("marketplace.audit.access.urls")),
    path("", include("marketplace.audit.carbon.urls")),
    path("", include("marketplace.audit.findings.urls")),
    path("", include("marketplace.notifications.urls")),
    path("", include("marketplace.jobs.urls")),
    path("", include("marketplace.web.urls")),
]

handler500 = "marketplace.api.problems.server_error"
