from django.apps import AppConfig


class UtilisationConfig(AppConfig):
    name = "marketplace.audit.utilisation"
    label = "utilisation"
