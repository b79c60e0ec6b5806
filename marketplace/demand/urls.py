from django.urls import path

from marketplace.demand import groups_views, views

app_name = "demand"
urlpatterns = [
    path("requests/", views.requests, name="requests"),
    path("requests/new/", views.create, name="create"),
    path("requests/<int:pk>/", views.request, name="request"),
    path("requests/<int:pk>/withdraw/", views.withdraw, name="withdraw"),
    path("requests/<int:pk>/change/", views.change, name="change"),
    path("groups/", groups_views.overview, name="groups"),
    path("groups/budgets/", groups_views.new_budget, name="new_budget"),
    path("groups/budgets/<int:pk>/close/", groups_views.close_budget, name="close_budget"),
    path("groups/choices/", groups_views.new_choice, name="new_choice"),
    path("groups/choices/<int:pk>/close/", groups_views.close_choice, name="close_choice"),
    path("groups/owner-cap/", groups_views.owner_cap, name="owner_cap"),
]
