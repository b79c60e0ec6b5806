from django.urls import path

from marketplace.delivery import views

app_name = "delivery"
urlpatterns = [
    path("deliveries/", views.deliveries, name="list"),
    path("deliveries/<int:pk>/", views.delivery, name="delivery"),
    path("deliveries/<int:pk>/suspend/", views.suspend, name="suspend"),
    path("deliveries/<int:pk>/give-back/", views.give_back, name="give_back"),
    path("deliveries/<int:pk>/access/", views.access, name="access"),
    path("deliveries/<int:pk>/evict/", views.evict, name="evict"),
]
