from django.urls import path

from billing.invoicing import api

urlpatterns = [
    path("billing-periods", api.PeriodList.as_view(), name="billing-period-list"),
    path("invoices", api.InvoiceList.as_view(), name="invoice-list"),
    path("invoices/<slug:number>", api.InvoiceDetail.as_view(), name="invoice-detail"),
    path(
        "invoices/<slug:number>/lines/<int:line>/charges",
        api.InvoiceLineCharges.as_view(),
        name="invoice-line-charges",
    ),
    path("credit-notes", api.CreditNoteList.as_view(), name="credit-note-list"),
    path("credit-notes/<slug:number>", api.CreditNoteDetail.as_view(), name="credit-note-detail"),
    path("documents/<slug:number>/pdf", api.DocumentPdf.as_view(), name="document-pdf"),
    path("exports/focus", api.FocusExport.as_view(), name="focus-export"),
    path("statements", api.StatementList.as_view(), name="statement-list"),
    path("statements/<slug:number>", api.StatementDetail.as_view(), name="statement-detail"),
    path(
        "statements/<slug:number>/lines/<int:line>/charges",
        api.StatementLineCharges.as_view(),
        name="statement-line-charges",
    ),
]
