from django.urls import path

from marketplace.audit.evidence import views

app_name = "evidence"
urlpatterns = [
    path("audit/evidence/", views.packs, name="packs"),
    path("audit/evidence/new/", views.request_one, name="request"),
    path("audit/evidence/<int:pk>/", views.pack, name="pack"),
    path("audit/evidence/<int:pk>/download/", views.download, name="download"),
]
