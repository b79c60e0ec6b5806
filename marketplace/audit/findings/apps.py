from django.apps import AppConfig


class FindingsConfig(AppConfig):
    name = "marketplace.audit.findings"
    label = "findings"
