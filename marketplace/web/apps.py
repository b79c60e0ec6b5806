from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "marketplace.web"
    label = "web"

    def ready(self) -> None:
        """Every process knows the broker; without this only workers would, and pages could queue nothing.

        Not in ``marketplace/__init__.py``, where Celery recommends it: the engine would import Django.
        """
        from marketplace import celery  # noqa: F401, PLC0415
