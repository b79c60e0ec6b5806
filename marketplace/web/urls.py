from django.urls import path

from marketplace.web import views

app_name = "web"
urlpatterns = [
    path("styleguide/", views.styleguide, name="styleguide"),
    path("search/", views.search, name="search"),
    path("tables/<slug:table>/columns/", views.columns, name="columns"),
]
