from django.apps import AppConfig


class SupplyConfig(AppConfig):
    name = "marketplace.supply"
