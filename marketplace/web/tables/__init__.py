"""Tables of list pages: one description of the columns gives the page, its totals and its CSV."""

from marketplace.web.listing import Field
from marketplace.web.tables.columns import (
    Column,
    Total,
    aside,
    moment,
    money,
    name,
    number,
    of_money,
    of_numbers,
    price,
    share,
    state,
    text,
    window,
)
from marketplace.web.tables.table import Table, as_it_is, registered, show

__all__ = [
    "Column",
    "Field",
    "Table",
    "Total",
    "as_it_is",
    "aside",
    "moment",
    "money",
    "name",
    "number",
    "of_money",
    "of_numbers",
    "price",
    "registered",
    "share",
    "show",
    "state",
    "text",
    "window",
]
