"""The API of delivery with that of metering, which agents use beside it."""

from django.urls import include, path

urlpatterns = [
    path("api/v1/", include(f"{slice_}.api_urls"))
    for slice_ in ("marketplace.agents", "marketplace.delivery", "marketplace.demand", "billing.metering")
]
