from django.urls import path

from billing.payments.views import buyer, operator, owner, webhook

app_name = "payments"
urlpatterns = [
    path("invoices/<slug:number>/pay/", buyer.pay, name="pay"),
    path("invoices/<slug:number>/pay/credit/", buyer.pay_from_credit, name="pay_from_credit"),
    path("payments/", buyer.payments, name="payments"),
    path("payments/<uuid:operation>/", buyer.payment, name="payment"),
    path("payments/<uuid:operation>/cancel/", buyer.cancel, name="cancel"),
    path("payments/<uuid:operation>/refresh/", buyer.refresh, name="refresh"),
    path("payment-methods/", buyer.saved_methods, name="methods"),
    path("payment-methods/<int:pk>/remove/", buyer.remove_method, name="remove_method"),
    path("payouts/", owner.payouts, name="payouts"),
    path("payouts/account/", owner.new_account, name="new_account"),
    path("payouts/stripe/", owner.sign_up, name="sign_up"),
    path("operator/bank/", operator.bank, name="bank"),
    path("operator/bank/<int:pk>/", operator.bank_statement, name="bank_statement"),
    path("operator/bank/<int:pk>/import/", operator.import_statement, name="import_statement"),
    path("operator/bank/<int:pk>/discard/", operator.discard_statement, name="discard_statement"),
    path("operator/bank/lines/<int:pk>/", operator.decide_line, name="decide_line"),
    path("operator/payouts/", operator.batches, name="batches"),
    path("operator/payouts/<int:pk>/", operator.batch, name="batch"),
    path("operator/payouts/<int:pk>/approve/", operator.approve, name="approve"),
    path("operator/payouts/<int:pk>/reject/", operator.reject, name="reject"),
    path("operator/payouts/<int:pk>/file/", operator.batch_file, name="batch_file"),
    path("operator/payouts/<uuid:operation>/failed/", operator.payout_failed, name="payout_failed"),
    path("operator/holds/", operator.hold, name="hold"),
    path("operator/holds/<int:pk>/release/", operator.release, name="release"),
    path("operator/bank-accounts/", operator.accounts, name="accounts"),
    path("operator/bank-accounts/<int:pk>/confirm/", operator.confirm_account, name="confirm_account"),
    path("operator/provider-events/", operator.events, name="events"),
    path("operator/provider-events/<int:pk>/retry/", operator.retry_event, name="retry_event"),
    path("webhooks/stripe/", webhook.stripe_webhook, name="stripe_webhook"),
]
