"""Below /api/v1/."""

from django.urls import path

from marketplace.energy import api

urlpatterns = [path("sites/<int:pk>/energy", api.SiteEnergy.as_view(), name="site-energy")]
