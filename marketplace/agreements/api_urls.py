from django.urls import path

from marketplace.agreements import api

urlpatterns = [
    path("agreements", api.AgreementList.as_view(), name="agreement-list"),
    path("agreements/<int:pk>", api.AgreementDetail.as_view(), name="agreement-detail"),
]
