from django.urls import path

from marketplace.supply import plan_views, views
from marketplace.supply.importing import views as importing

app_name = "supply"
urlpatterns = [
    path("sites/", views.sites, name="fleets"),
    path("sites/new/", views.new_site, name="new_site"),
    path("sites/<int:pk>/", views.site, name="site"),
    path("sites/<int:pk>/power/", views.power_cap, name="power_cap"),
    path("sites/<int:pk>/fleets/new/", views.new_fleet, name="new_fleet"),
    path("fleets/<int:pk>/cards/", views.resize_fleet, name="resize_fleet"),
    path("offers/", views.offers, name="offers"),
    path("offers/calendar/", plan_views.calendar, name="calendar"),
    path("offers/import/", importing.new_import, name="new_import"),
    path("offers/import/example.csv", importing.example, name="import_example"),
    path("offers/import/<int:pk>/", importing.offer_import, name="import"),
    path("offers/import/<int:pk>/lines/<int:number>/", importing.mend_line, name="mend_line"),
    path("offers/import/<int:pk>/confirm/", importing.confirm_import, name="confirm_import"),
    path("offers/new/", views.new_offer, name="new_offer"),
    path("offers/<int:pk>/", views.offer, name="offer"),
    path("offers/<int:pk>/ask/", views.amend_offer, name="amend_offer"),
    path("offers/<int:pk>/withdraw/", views.withdraw_offer, name="withdraw_offer"),
]
