from django.urls import path

from billing import operation, views
from billing.invoicing.models import Document

INVOICE, STATEMENT = {"kind": Document.Kind.INVOICE}, {"kind": Document.Kind.STATEMENT}

app_name = "billing"
urlpatterns = [
    path("usage/", views.usage, name="usage"),
    path("operator/parked/<int:pk>/decide/", operation.decide, name="decide_overage"),
    path("charges/<int:pk>/", views.charge, name="charge"),
    path("agreements/<int:pk>/usage/", views.agreement_usage, name="agreement_usage"),
    path("invoices/", views.documents, INVOICE, name="invoices"),
    path("invoices/<slug:number>/", views.document, INVOICE, name="invoice"),
    path("invoices/<slug:number>/lines/<int:pk>/", views.line, INVOICE, name="invoice_line"),
    path("statements/", views.documents, STATEMENT, name="statements"),
    path("statements/<slug:number>/", views.document, STATEMENT, name="statement"),
    path("statements/<slug:number>/lines/<int:pk>/", views.line, STATEMENT, name="statement_line"),
    path("ledger/", views.ledger, name="ledger"),
    path("ledger/<int:organisation>/<str:currency>/", views.account_statement, name="account_statement"),
]
