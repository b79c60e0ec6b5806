from django.urls import path

from marketplace.audit import api

urlpatterns = [path("audit/utilisation", api.UtilisationView.as_view(), name="utilisation")]
