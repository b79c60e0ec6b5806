"""The URL patterns of the project by name."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

# Third-party pages with tests of their own: allauth's, Django's admin (``test_admin.py``), set_language.
NOT_OURS = ("accounts/", "admin/", "i18n/")


def our_names() -> set[str]:
    """Full names, ``namespace:name``; a pattern without a name shows its route instead."""
    found: set[str] = set()
    for pattern in get_resolver().url_patterns:
        if not str(pattern.pattern).startswith(NOT_OURS):
            found.update(_names(pattern, ""))
    return found


def _names(pattern: URLPattern | URLResolver, namespace: str) -> Iterator[str]:
    if isinstance(pattern, URLPattern):
        yield namespace + (pattern.name or f"(no name) {pattern.pattern}")
        return
    inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
    for child in pattern.url_patterns:
        yield from _names(child, inner)
