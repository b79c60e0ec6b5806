"""The head of a run says on how many random markets the engine's properties are tried."""

from __future__ import annotations

from tests.engine.effort import tried


def pytest_report_collectionfinish() -> str:
    return f"random markets: {sum(tried):,} in {len(tried)} properties"
