"""The API of demand alone."""

from django.urls import include, path

urlpatterns = [path("api/v1/", include("marketplace.demand.api_urls"))]
