from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

from django.conf import settings

from accounts import tasks
from accounts.models import IdempotencyRecord
from marketplace.celery import app


def test_what_beat_calls_exists() -> None:
    app.loader.import_default_modules()
    ours = {
        entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values() if entry["task"] == "audit.seal"
    }

    assert ours == {"audit.seal"} <= set(app.tasks)


def test_answers_are_forgotten_after_a_week(db: None) -> None:
    for key, age in {"old": 8, "young": 6}.items():
        created = datetime.now(UTC) - timedelta(days=age)
        IdempotencyRecord.objects.create(
            actor="user:1", key=key, request_digest="x", status=201, body="{}", created_at=created
        )

    assert tasks.forget_answers() == 1
    assert IdempotencyRecord.objects.get().key == "young"


def test_a_web_process_queues_where_the_workers_listen() -> None:
    queues = "import django; django.setup(); from accounts.tasks import seal; print(seal.app.conf.broker_url)"
    asked = subprocess.run([sys.executable, "-c", queues], capture_output=True, text=True, check=True)

    assert asked.stdout.strip() == os.environ["REDIS_URL"]
