"""Several things at once, each in a thread and on a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connections


def at_once(*actions: Callable[[], Any], ready: float = 10, done: float = 60) -> list[Any]:
    """What each of the actions returned or raised, all of them started together.

    ``ready`` and ``done`` are the seconds that all may take to start, and each to end.
    """
    barrier, results = threading.Barrier(len(actions)), [None] * len(actions)

    def run(number: int) -> None:
        try:
            barrier.wait(ready)
            results[number] = actions[number]()
        except Exception as error:  # noqa: BLE001 the test looks at it
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(done)
    return results
