from django.urls import path

from marketplace.agents import views

app_name = "agents"
urlpatterns = [
    path("agents/", views.agents, name="list"),
    path("sites/<int:pk>/agent/", views.site, name="site"),
    path("sites/<int:pk>/agent/code/", views.new_code, name="new_code"),
    path("sites/<int:pk>/agent/code/revoke/", views.revoke_code, name="revoke_code"),
    path("sites/<int:pk>/agent/revoke/", views.revoke, name="revoke"),
]
