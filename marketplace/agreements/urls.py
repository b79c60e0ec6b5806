from django.urls import path

from marketplace.agreements import views

app_name = "agreements"
urlpatterns = [
    path("agreements/", views.agreements, name="list"),
    path("agreements/<int:pk>/", views.agreement, name="agreement"),
]
