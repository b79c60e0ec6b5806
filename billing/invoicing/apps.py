from django.apps import AppConfig


class InvoicingConfig(AppConfig):
    name = "billing.invoicing"

    def ready(self) -> None:
        from billing.invoicing import checks  # noqa: F401, PLC0415 - adds the rules of the nightly check
