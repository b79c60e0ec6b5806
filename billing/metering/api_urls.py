from django.urls import path

from billing.metering import api

urlpatterns = [
    path("meter-events", api.MeterEventsView.as_view(), name="meter-events"),
    path("readings", api.ReadingList.as_view(), name="reading-list"),
    path("metered-hours", api.MeteredHourList.as_view(), name="metered-hour-list"),
    path("reading-conflicts", api.ConflictList.as_view(), name="reading-conflict-list"),
]
