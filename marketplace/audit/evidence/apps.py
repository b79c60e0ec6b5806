from django.apps import AppConfig


class EvidenceConfig(AppConfig):
    name = "marketplace.audit.evidence"
    label = "evidence"
