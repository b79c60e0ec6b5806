from django.urls import path

from marketplace.clearing import views

app_name = "clearing"
urlpatterns = [
    path("", views.board, name="board"),
    path("products/<slug:model>/<slug:zone>/", views.product, name="product"),
    path("runs/", views.runs, name="runs"),
    path("runs/<int:pk>/", views.run, name="run"),
    path("runs/<int:pk>/prices.csv", views.run_prices, name="run_prices"),
    path("explanations/<int:run>/<int:request_pk>/", views.explanation, name="explanation"),
]
