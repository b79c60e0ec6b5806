from django.urls import path

from marketplace.delivery import views

app_name = "delivery"
urlpatterns = [
    path("deliveries/", views.deliveries, name="list"),
    path("deliveries/<int:pk>/", views.delivery, name="delivery"),
]
