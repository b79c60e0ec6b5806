from django.apps import AppConfig


class ClearingConfig(AppConfig):
    name = "marketplace.clearing"
