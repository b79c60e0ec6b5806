from django.urls import path

from billing.ledger import api

urlpatterns = [
    path("journals", api.JournalList.as_view(), name="api-journals"),
    path("ledger-accounts", api.AccountList.as_view(), name="api-ledger-accounts"),
]
