from django.urls import path

from marketplace.catalogue import views

app_name = "catalogue"
urlpatterns = [
    path("catalogue/", views.models, name="models"),
    path("catalogue/<slug:slug>/", views.model, name="model"),
]
