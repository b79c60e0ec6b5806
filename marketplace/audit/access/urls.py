from django.urls import path

from marketplace.audit.access import views

app_name = "access"
urlpatterns = [
    path("looks/", views.looks, name="looks"),
]
