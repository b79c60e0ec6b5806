from django.urls import path

from marketplace.audit import views
from marketplace.audit.utilisation import nation_views
from marketplace.audit.utilisation import views as utilisation

app_name = "audit"
urlpatterns = [
    path("audit/", utilisation.overview, name="overview"),
    path("audit/hours/", utilisation.heat, name="heat"),
    path("audit/trends/", utilisation.trends, name="trends"),
    path("audit/nation/", nation_views.nation_page, name="nation"),
    path("audit/bulletins/", nation_views.bulletins, name="bulletins"),
    path("audit/bulletins/<int:pk>/<str:name>", nation_views.bulletin, name="bulletin"),
    path("audit/sites/<int:pk>/", utilisation.site, name="site"),
    path("operator/parked/", views.parked, name="parked"),
]
