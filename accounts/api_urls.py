from django.urls import path

from accounts import api

urlpatterns = [
    path("organisations", api.OrganisationList.as_view(), name="organisations"),
    path("members", api.MemberList.as_view(), name="members"),
    path("tokens", api.TokenList.as_view(), name="tokens"),
    path("audit-events", api.AuditEventList.as_view(), name="audit_events"),
    path("audit-seals", api.AuditSealList.as_view(), name="audit_seals"),
]
