from django.urls import path

from marketplace.audit.findings import views

app_name = "findings"
urlpatterns = [
    path("findings/", views.findings, name="findings"),
    path("findings/<int:pk>/", views.finding, name="finding"),
    path("findings/<int:pk>/hours/<int:evidence>/", views.hour, name="hour"),
    path("findings/<int:pk>/assign/", views.assign, name="assign"),
    path("findings/<int:pk>/messages/", views.write, name="write"),
    path("findings/<int:pk>/answers/", views.answer, name="answer"),
    path("findings/<int:pk>/close/", views.close, name="close"),
]
