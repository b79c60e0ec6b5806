from django.urls import path

from marketplace.audit import api
from marketplace.audit.utilisation import api as utilisation

urlpatterns = [
    path("activity", api.ActivityView.as_view(), name="activity"),
    path("audit/utilisation", utilisation.UtilisationView.as_view(), name="utilisation"),
    path("audit/utilisation/trend", utilisation.TrendView.as_view(), name="utilisation_trend"),
]
