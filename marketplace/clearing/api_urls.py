from django.urls import path

from marketplace.clearing import api, quote_api

urlpatterns = [
    path("market-board", api.Board.as_view(), name="market-board"),
    path("market-runs", api.RunList.as_view(), name="market-run-list"),
    path("market-runs/<int:pk>", api.RunDetail.as_view(), name="market-run-detail"),
    path("market-runs/<int:pk>/prices", api.RunPrices.as_view(), name="market-run-prices"),
    path("market-runs/<int:pk>/snapshot", api.RunSnapshot.as_view(), name="market-run-snapshot"),
    path("market-runs/<int:pk>/result", api.RunResult.as_view(), name="market-run-result"),
    path("market-runs/<int:pk>/package", api.RunPackage.as_view(), name="market-run-package"),
    path("market-runs/<int:pk>/part", api.RunPart.as_view(), name="market-run-part"),
    path("prices", api.Prices.as_view(), name="price-list"),
    path("quotes", quote_api.QuoteList.as_view(), name="quote-list"),
    path("explanations", api.Explanations.as_view(), name="explanation-list"),
    path("offer-outcomes", api.OfferOutcomes.as_view(), name="offer-outcome-list"),
]
