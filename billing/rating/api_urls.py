from django.urls import path

from billing.rating import api, dispute_api, month_api

urlpatterns = [
    path("term-agreements/<int:pk>/months", month_api.TermMonths.as_view(), name="term-months"),
    path("charges", api.ChargeList.as_view(), name="charge-list"),
    path("charges/<int:pk>", api.ChargeDetail.as_view(), name="charge-detail"),
    path("charges/<int:pk>/readings", api.ChargeReadings.as_view(), name="charge-readings"),
    path("disputes", dispute_api.DisputeList.as_view(), name="dispute-list"),
    path("disputes/<int:pk>", dispute_api.DisputeDetail.as_view(), name="dispute-detail"),
    path("disputes/<int:pk>/answers", dispute_api.DisputeAnswer.as_view(), name="dispute-answer"),
    path("disputes/<int:pk>/decision", dispute_api.DisputeDecision.as_view(), name="dispute-decision"),
    path("usage-reports", dispute_api.UsageReportList.as_view(), name="usage-report-list"),
    path("parked-usage", api.ParkedList.as_view(), name="parked-usage-list"),
]
