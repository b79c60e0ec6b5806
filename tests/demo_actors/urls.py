"""All of the API that the simulated sides of a term agreement use."""

from django.urls import include, path

urlpatterns = [path("api/", include("marketplace.api.urls"))]
