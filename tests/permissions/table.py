"""Who may do what: every address of Cardhour, every method, every kind of person.

Adding a page or an endpoint
----------------------------
Put a ``Row`` for each URL name and method into ``tests/permissions/rows/<slice>.py``:

    ROWS = [
        # A page of one's own organisation: everybody who is signed in sees a page, but not the same one.
        Row("supply:offers", page(stranger=200, auditor=404, operator=404)),
        # An object: colleagues by role, strangers 404. ``given`` makes it and returns the URL's arguments.
        Row("supply:offer", page(), given=an_offer),
        Row("supply:withdraw_offer", page(viewer=403, trader=302, finance=403, admin=302,
                                          auditor=403, operator=403), method="POST", given=an_offer),
        # The API: a caller without credentials gets 401. Tokens are asked when the row names them.
        Row("api:api_offers", api(stranger=200, token_read=200, token_agent=200)),
        Row("api:api_offers", api(201, viewer=403, …), method="POST", given=…, body={…}),
    ]

    def an_offer(cast: Cast) -> dict[str, object]:
        return {"pk": make_offer(make_fleet(make_site(cast.owner))).pk}

The viewer, trader, finance person and administrator are those of ``of`` ("owner" or "buyer"); the
counterparty, if the row names it, is the administrator of the other one. ``body`` may be a function of the
cast. Every actor starts from the same objects: what one changes is rolled back before the next one.

``test_every_address`` fails when
* a URL pattern has no row (it prints the name), or a row names no URL pattern,
* an answer differs from the row,
* a stranger gets anything but 404 for an object that is not public (and 403 where all people get that),
* a list in the API shows anything to others than those whom the row's ``shown_to`` names,
* a method that no row names is answered with anything but 405 (use ``require_safe`` and its like).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.cast import Cast

ACTORS = ("anonymous", "stranger", "viewer", "trader", "finance", "admin", "auditor", "operator")
# Asked only when a row names them. The token_… are those of the organisation ``of``.
FURTHER_ACTORS = ("counterparty", "token_read", "token_trade", "token_agent", "token_stranger")

Expected = Mapping[str, int]


def nothing(cast: Cast) -> dict[str, object]:
    return {}


@dataclass(frozen=True)
class Row:
    name: str
    expected: Expected
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    of: Literal["owner", "buyer"] = "owner"
    given: Callable[[Cast], Mapping[str, Any]] = nothing
    body: Mapping[str, Any] | list[Any] | Callable[[Cast], Any] | None = None
    query: str = ""
    content_type: str = "application/json"
    # An object that everybody may see, so that a stranger need not get 404.
    public: bool = False
    # Of a list in the API: who finds entries in it. Everybody else finds none.
    shown_to: frozenset[str] | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.name}"


def everybody(status: int = 200) -> Expected:
    return dict.fromkeys(ACTORS, status)


def page(status: int = 200, **others: int) -> Expected:
    """All who belong to the organisation get ``status``, strangers 404, the anonymous are led to sign in."""
    return everybody(status) | {"anonymous": 302, "stranger": 404} | others


def api(status: int = 200, **others: int) -> Expected:
    return everybody(status) | {"anonymous": 401, "stranger": 404} | others


def only(status: int, *who: str, refused: int = 403, anonymous: int = 302, **others: int) -> Expected:
    """These get ``status``, strangers 404, everybody else ``refused``."""
    rest = everybody(refused) | {"anonymous": anonymous, "stranger": 404}
    return rest | dict.fromkeys(who, status) | others


TOKENS = ("token_read", "token_trade", "token_agent", "token_stranger")


def api_list(**others: int) -> Expected:
    """Whoever is known gets a list; ``shown_to`` of the row says who finds anything in it."""
    return api(stranger=200, counterparty=200) | dict.fromkeys(TOKENS, 200) | others


def api_object(**others: int) -> Expected:
    """An object of one party. A token with the scope agent reads nothing."""
    return (
        api(counterparty=404, token_read=200, token_trade=200, token_agent=404, token_stranger=404) | others
    )


def api_change(status: int, **others: int) -> Expected:
    """What traders do with an object of their organisation."""
    tokens = {"token_read": 403, "token_trade": status, "token_agent": 404, "token_stranger": 404}
    rest = {"anonymous": 401, "counterparty": 404} | tokens
    return only(status, "trader", "admin") | rest | others


COLLEAGUES = frozenset({"viewer", "trader", "finance", "admin"})
EXCHANGE = frozenset({"auditor", "operator"})
READERS = COLLEAGUES | EXCHANGE | {"token_read", "token_trade"}
PARTIES = READERS | {"counterparty"}
FINANCE = EXCHANGE | {"finance", "admin", "token_read"}


def all_rows() -> list[Row]:
    """The rows of every file in ``rows/``."""
    files = sorted((Path(__file__).parent / "rows").glob("*.py"))
    modules = (importlib.import_module(f"tests.permissions.rows.{file.stem}") for file in files)
    return [row for module in modules for row in module.ROWS]
