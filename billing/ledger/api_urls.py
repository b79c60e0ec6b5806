from django.urls import path

from billing.ledger import api

urlpatterns = [
    path("journals", api.JournalList.as_view(), name="journal-list"),
    path("ledger-accounts", api.AccountList.as_view(), name="ledger-account-list"),
    path(
        "ledger-accounts/<int:pk>/movements", api.AccountMovements.as_view(), name="ledger-account-movements"
    ),
    path("ledger-differences", api.DifferenceList.as_view(), name="ledger-difference-list"),
]
