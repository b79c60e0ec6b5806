from django.urls import path

from marketplace.clearing import ask_views, views
from marketplace.clearing.product_page import product
from marketplace.clearing.quote_panel import quote

app_name = "clearing"
urlpatterns = [
    path("market/", views.board, name="board"),
    path("market/products/<slug:model>/<slug:zone>/", product, name="product"),
    path("market/runs/", views.runs, name="runs"),
    path("market/runs/<int:pk>/", views.run, name="run"),
    path("market/runs/<int:pk>/prices.csv", views.run_prices, name="run_prices"),
    path("market/explanations/<int:run>/<int:request_pk>/", views.explanation, name="explanation"),
    path("market/asks/replay/", ask_views.replay_asks, name="replay_asks"),
    path("requests/quote/", quote, name="quote"),
]
