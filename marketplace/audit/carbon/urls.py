from django.urls import path

from marketplace.audit.carbon import views

app_name = "carbon"
urlpatterns = [
    path("agreements/<int:pk>/carbon/", views.agreement, name="agreement"),
    path("audit/carbon/", views.shifting, name="shifting"),
]
