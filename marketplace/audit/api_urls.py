from django.urls import path

from marketplace.audit import api

urlpatterns = [
    path("activity", api.ActivityView.as_view(), name="activity"),
    path("audit/utilisation", api.UtilisationView.as_view(), name="utilisation"),
]
