"""Lists in pages, newest first. A cursor names a row, so new rows never shift what comes next."""

from rest_framework.pagination import CursorPagination


class Cursor(CursorPagination):
    page_size = 50
    max_page_size = 500
    page_size_query_param = "limit"
    ordering = "-pk"
