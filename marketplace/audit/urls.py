from django.urls import path

from marketplace.audit import views

app_name = "audit"
urlpatterns = [
    path("audit/", views.overview, name="overview"),
    path("audit/sites/<int:pk>/", views.site, name="site"),
    path("operator/parked/", views.parked, name="parked"),
]
