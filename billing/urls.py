from django.urls import path

from billing import dispute_views, document_views, operation, rating_views, term_views, views
from billing.invoicing.models import Document
from billing.metering import views as metering

INVOICE, STATEMENT = {"kind": Document.Kind.INVOICE}, {"kind": Document.Kind.STATEMENT}
CREDIT_NOTE = {"kind": Document.Kind.CREDIT_NOTE}

app_name = "billing"
urlpatterns = [
    path("usage/", views.usage, name="usage"),
    path("operator/parked/<int:pk>/decide/", operation.decide, name="decide_overage"),
    path("operator/parked-billing/", document_views.parked, name="parked"),
    path("operator/conflicts/", metering.conflicts, name="conflicts"),
    path("operator/conflicts/<int:pk>/", metering.conflict, name="conflict"),
    path("charges/<int:pk>/", views.charge, name="charge"),
    path("charges/<int:pk>/dispute/", dispute_views.open_one, name="open_dispute"),
    path("charges/<int:pk>/report/", dispute_views.report, name="report_usage"),
    path("disputes/", dispute_views.disputes, name="disputes"),
    path("disputes/<int:pk>/", dispute_views.dispute, name="dispute"),
    path("disputes/<int:pk>/answer/", dispute_views.answer, name="answer_dispute"),
    path("disputes/<int:pk>/decide/", dispute_views.decide, name="decide_dispute"),
    path("rating-runs/<int:pk>/", rating_views.run, name="rating_run"),
    path("rating-runs/<int:pk>/recomputed/", rating_views.recomputed, name="rating_run_recomputed"),
    path("readings/<int:pk>/", metering.reading, name="reading"),
    path("agreements/<int:pk>/usage/", views.agreement_usage, name="agreement_usage"),
    path("term-agreements/<int:pk>/months/", term_views.months, name="term_months"),
    path("drafts/", document_views.drafts, name="drafts"),
    path("exports/focus.csv", document_views.focus, name="focus"),
    path("invoices/", document_views.documents, INVOICE, name="invoices"),
    path("invoices/<slug:number>/", document_views.document, INVOICE, name="invoice"),
    path("invoices/<slug:number>/pdf/", document_views.pdf, INVOICE, name="invoice_pdf"),
    path("invoices/<slug:number>/credit/", document_views.credit, name="credit"),
    path("invoices/<slug:number>/lines/<int:pk>/", document_views.line, INVOICE, name="invoice_line"),
    path("statements/", document_views.documents, STATEMENT, name="statements"),
    path("statements/<slug:number>/", document_views.document, STATEMENT, name="statement"),
    path("statements/<slug:number>/pdf/", document_views.pdf, STATEMENT, name="statement_pdf"),
    path("statements/<slug:number>/lines/<int:pk>/", document_views.line, STATEMENT, name="statement_line"),
    path("credit-notes/", document_views.documents, CREDIT_NOTE, name="credit_notes"),
    path("credit-notes/<slug:number>/", document_views.document, CREDIT_NOTE, name="credit_note"),
    path("credit-notes/<slug:number>/pdf/", document_views.pdf, CREDIT_NOTE, name="credit_note_pdf"),
    path("ledger/", views.ledger, name="ledger"),
    path("ledger/checks/", views.ledger_checks, name="ledger_checks"),
    path("ledger/<int:organisation>/<str:currency>/", views.account_statement, name="account_statement"),
]
