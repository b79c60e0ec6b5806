from django.urls import path

from billing.rating import api

urlpatterns = [
    path("charges", api.ChargeList.as_view(), name="charge-list"),
    path("charges/<int:pk>", api.ChargeDetail.as_view(), name="charge-detail"),
    path("charges/<int:pk>/readings", api.ChargeReadings.as_view(), name="charge-readings"),
    path("parked-usage", api.ParkedList.as_view(), name="parked-usage-list"),
]
