from django.urls import path

from marketplace.audit.compliance import views

app_name = "compliance"
urlpatterns = [
    path("audit/policies/", views.policies, name="policies"),
    path("audit/policies/<slug:slug>/", views.policy, name="policy"),
    path("audit/policies/<slug:slug>/enact/", views.enact_policy, name="enact"),
    path("audit/sites/<int:pk>/dossier/", views.dossier, name="dossier"),
    path("audit/sites/<int:pk>/dossier.pdf", views.dossier_pdf, name="dossier_pdf"),
]
