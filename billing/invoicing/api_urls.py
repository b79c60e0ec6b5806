from django.urls import path

from billing.invoicing import api

urlpatterns = [
    path("invoices", api.InvoiceList.as_view(), name="api-invoices"),
    path("invoices/<str:number>", api.InvoiceDetail.as_view(), name="api-invoice"),
    path(
        "invoices/<str:number>/lines/<int:line>/charges",
        api.InvoiceLineCharges.as_view(),
        name="api-invoice-line-charges",
    ),
    path("statements", api.StatementList.as_view(), name="api-statements"),
    path("statements/<str:number>", api.StatementDetail.as_view(), name="api-statement"),
    path(
        "statements/<str:number>/lines/<int:line>/charges",
        api.StatementLineCharges.as_view(),
        name="api-statement-line-charges",
    ),
]
