from django.urls import path

from marketplace.audit.compliance import api

urlpatterns = [
    path("audit/policies", api.PolicyListView.as_view(), name="policies"),
    path("audit/sites/<int:pk>/dossier", api.DossierView.as_view(), name="dossier"),
]
