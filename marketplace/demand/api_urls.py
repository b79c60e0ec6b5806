"""Below /api/v1/."""

from django.urls import path

from marketplace.demand import api

urlpatterns = [
    path("requests", api.RequestList.as_view(), name="request-list"),
    path("requests/<int:pk>", api.RequestDetail.as_view(), name="request-detail"),
    path("requests/<int:pk>/withdraw", api.RequestWithdrawal.as_view(), name="request-withdraw"),
]
