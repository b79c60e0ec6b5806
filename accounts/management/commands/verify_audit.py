"""``manage.py verify_audit``: does the audit chain hold? Exit code 1 when it does not."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand

from accounts.audit import verify_chain
from accounts.models import AuditSeal


class Command(BaseCommand):
    help = "Verify every link of the audit chain; print each break and exit with 1 if there is one."

    def handle(self, *args: Any, **options: Any) -> None:
        broken = set()
        breaks = 0
        for found in verify_chain(now=datetime.now(UTC)):
            breaks += 1
            broken.add(found.position)
            link = "no link" if found.position is None else f"link {found.position}"
            self.stderr.write(f"{link}, event {found.event}: {found.problem}")
        whole = AuditSeal.objects.count() - len(broken - {None})
        self.stdout.write(f"{whole} links are whole, {breaks} breaks")
        if breaks:
            sys.exit(1)
