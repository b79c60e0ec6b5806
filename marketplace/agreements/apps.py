from django.apps import AppConfig


class AgreementsConfig(AppConfig):
    name = "marketplace.agreements"
