from django.urls import path

from marketplace.audit.findings import api

urlpatterns = [
    path("findings", api.FindingList.as_view(), name="findings"),
    path("findings/<int:pk>", api.FindingDetail.as_view(), name="finding"),
    path("findings/<int:pk>/answers", api.FindingAnswer.as_view(), name="finding-answers"),
]
