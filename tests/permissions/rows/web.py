"""The style guide: it exists while developing and in the demo, and for nobody elsewhere."""

from __future__ import annotations

from tests.permissions.table import Row, everybody

ROWS = [Row("web:styleguide", everybody(404))]
