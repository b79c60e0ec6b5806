"""The style guide exists while developing and in the demo, and for nobody elsewhere. How somebody likes its
tables is its own business."""

from __future__ import annotations

from tests.cast import Cast
from tests.permissions.table import Row, everybody


def a_table(cast: Cast) -> dict[str, object]:
    return {"table": "agreements"}


ROWS = [
    Row("web:styleguide", everybody(404)),
    Row("web:search", everybody(200), query="q=1"),
    Row("web:columns", everybody(302), method="POST", given=a_table, body={"column": "buyer"}, public=True),
]
