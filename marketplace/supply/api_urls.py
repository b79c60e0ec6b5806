"""Below /api/v1/."""

from django.urls import path

from marketplace.supply import api

urlpatterns = [
    path("sites", api.SiteList.as_view(), name="site-list"),
    path("sites/<int:pk>", api.SiteDetail.as_view(), name="site-detail"),
    path("fleets", api.FleetList.as_view(), name="fleet-list"),
    path("fleets/<int:pk>", api.FleetDetail.as_view(), name="fleet-detail"),
    path("offers", api.OfferList.as_view(), name="offer-list"),
    path("offers/<int:pk>", api.OfferDetail.as_view(), name="offer-detail"),
    path("offers/<int:pk>/book", api.OfferBook.as_view(), name="offer-book"),
    path("offers/<int:pk>/withdraw", api.OfferWithdrawal.as_view(), name="offer-withdraw"),
]
