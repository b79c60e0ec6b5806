"""The API of supply alone."""

from django.urls import include, path

urlpatterns = [path("api/v1/", include("marketplace.supply.api_urls"))]
