"""How often a caller may write. Reading is not counted."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

if TYPE_CHECKING:  # the settings name this module, and APIView reads them when it is made
    from rest_framework.views import APIView

log = structlog.get_logger(__name__)

WINDOW = 60


class WriteThrottle(BaseThrottle):
    """``API_WRITES_A_MINUTE`` for each token and each person, whatever the number of processes.

    DRF's own throttles read a list, append to it and write it back, and lose count of what comes at the
    same moment; this one is a single increment in the shared cache.
    """

    def allow_request(self, request: Request, view: APIView) -> bool:  # noqa: ARG002
        if request.method in SAFE_METHODS:
            return True
        caller = request.user.pk or self.get_ident(request)
        key = f"writes:{caller}:{int(time()) // WINDOW}"
        try:
            cache.add(key, 0, timeout=2 * WINDOW)
            return cache.incr(key) <= settings.API_WRITES_A_MINUTE
        except RedisError:
            # Meter events must not be lost because a cache is down.
            log.exception("writes_not_counted")
            return True

    def wait(self) -> float:
        """Seconds until the next minute begins."""
        return WINDOW - time() % WINDOW
