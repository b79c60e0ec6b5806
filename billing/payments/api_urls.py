from django.urls import path

from billing.payments import api

urlpatterns = [
    path("payments", api.PaymentList.as_view(), name="payment-list"),
    path("payments/<uuid:operation>", api.PaymentDetail.as_view(), name="payment-detail"),
    path("payment-methods", api.MethodList.as_view(), name="payment-method-list"),
    path("payouts", api.PayoutList.as_view(), name="payout-list"),
]
