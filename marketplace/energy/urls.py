from django.urls import path

from marketplace.energy import views

app_name = "energy"
urlpatterns = [
    path("sites/<int:pk>/energy/", views.site, name="site"),
    path("sites/<int:pk>/energy.csv", views.site_csv, name="site_csv"),
    path("sites/<int:pk>/energy/file/", views.new_file, name="new_file"),
    path("energy/files/<int:pk>/", views.file, name="file"),
    path("energy/files/<int:pk>/confirm/", views.confirm, name="confirm"),
]
