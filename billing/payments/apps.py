from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "billing.payments"

    def ready(self) -> None:
        from billing.payments import checks  # noqa: F401, PLC0415 - adds the rules of the nightly check
