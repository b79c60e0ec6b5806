"""Below /api/v1/."""

from django.urls import path

from marketplace.audit.carbon import api

urlpatterns = [
    path("agreements/<int:pk>/carbon", api.AgreementCarbon.as_view(), name="agreement-carbon"),
    path("sites/<int:pk>/certificates", api.SiteCertificates.as_view(), name="site-certificates"),
    path("sites/<int:pk>/certificates/match", api.CertificateMatch.as_view(), name="certificate-match"),
]
