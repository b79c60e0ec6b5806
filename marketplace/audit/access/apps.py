from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "marketplace.audit.access"
    label = "access"
