from django.urls import path

from billing.ledger import api

urlpatterns = [
    path("journals", api.JournalList.as_view(), name="journal-list"),
    path("ledger-accounts", api.AccountList.as_view(), name="ledger-account-list"),
]
