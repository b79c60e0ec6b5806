"""The API of billing alone."""

from django.urls import include, path

urlpatterns = [
    path("api/v1/", include(f"billing.{name}.api_urls"))
    for name in ("metering", "rating", "ledger", "invoicing")
]
