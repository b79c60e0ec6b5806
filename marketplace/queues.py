"""The names of the Celery queues, in one place."""

from enum import StrEnum


class Queue(StrEnum):
    DEFAULT = "default"
    MARKET = "market"
    DELIVERY = "delivery"
    BILLING = "billing"
    AUDIT = "audit"
