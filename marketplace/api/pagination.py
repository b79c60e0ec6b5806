"""Lists in pages, newest first. A cursor names a row, so new rows never shift what comes next."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from accounts.requests import id_in


class Cursor(CursorPagination):
    page_size = 50
    max_page_size = 500
    page_size_query_param = "limit"
    ordering = "-pk"

    def decode_cursor(self, request: Request) -> Any:
        """A cursor is the caller's word: one that names no id is none, and not an error of ours."""
        cursor = super().decode_cursor(request)
        if cursor is not None and cursor.position is not None and id_in(str(cursor.position)) is None:
            raise NotFound(self.invalid_cursor_message)
        return cursor
