from django.urls import path

from marketplace.catalogue import api

urlpatterns = [
    path("accelerator-models", api.ModelList.as_view(), name="accelerator-model-list"),
    path("accelerator-models/<slug:slug>", api.ModelDetail.as_view(), name="accelerator-model-detail"),
    path("regions", api.RegionList.as_view(), name="region-list"),
]
