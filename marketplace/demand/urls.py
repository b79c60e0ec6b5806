from django.urls import path

from marketplace.demand import views

app_name = "demand"
urlpatterns = [
    path("requests/", views.requests, name="requests"),
    path("requests/new/", views.create, name="create"),
    path("requests/<int:pk>/", views.request, name="request"),
    path("requests/<int:pk>/withdraw/", views.withdraw, name="withdraw"),
]
