"""The market, the catalogue, and the pages of auditors and operators."""

from __future__ import annotations

from datetime import date

from marketplace.audit.utilisation.models import Bulletin
from tests.cast import Cast
from tests.conftest import NOW
from tests.factories import make_model, make_profile_version, make_request, make_site, make_zone
from tests.pages_market.scenes import make_explanation, make_run
from tests.permissions.table import Row, everybody, only, page


def a_product(cast: Cast) -> dict[str, object]:
    make_profile_version()
    return {"model": make_model().slug, "zone": make_zone().slug}


def a_model(cast: Cast) -> dict[str, object]:
    make_profile_version()
    return {"slug": make_model().slug}


def a_run(cast: Cast) -> dict[str, object]:
    return {"pk": make_run().pk}


def an_explanation(cast: Cast) -> dict[str, object]:
    explanation = make_explanation(make_run(), make_request(cast.buyer))
    return {"run": explanation.run_id, "request_pk": explanation.request_id}


def a_site(cast: Cast) -> dict[str, object]:
    return {"pk": make_site(cast.owner).pk}


def a_bulletin(cast: Cast) -> dict[str, object]:
    made = Bulletin.objects.create(
        month=date(2026, 2, 1), number=1, published_at=NOW, html_en="en", html_zh="zh", pdf_en=b"", pdf_zh=b""
    )
    return {"pk": made.pk, "name": "en.pdf"}


ROWS = [
    Row("clearing:board", everybody()),
    Row("clearing:runs", everybody()),
    Row("clearing:product", everybody(), given=a_product, public=True),
    Row("clearing:run", everybody(), given=a_run, public=True),
    Row("clearing:run_prices", everybody(), given=a_run, public=True),
    Row("clearing:explanation", page(counterparty=404), of="buyer", given=an_explanation),
    Row("catalogue:models", everybody()),
    Row("catalogue:model", everybody(), given=a_model, public=True),
    # The stranger administers an owner and a buyer of its own: it sees its own utilisation.
    Row("audit:overview", page(stranger=200, counterparty=404)),
    Row("audit:heat", page(stranger=200, counterparty=404)),
    Row("audit:trends", page(stranger=200, counterparty=404)),
    Row("audit:nation", only(200, "auditor", "operator", refused=404, counterparty=404)),
    Row("audit:bulletins", everybody() | {"anonymous": 302}),
    Row("audit:bulletin", everybody() | {"anonymous": 302}, given=a_bulletin, public=True),
    Row("audit:site", page(counterparty=404), given=a_site),
    Row("audit:parked", only(200, "auditor", "operator", refused=404, counterparty=404)),
]
