"""What of a run can be taken home, and by whom."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse

from accounts.actors import NOBODY, viewer_of_token, viewer_of_user
from accounts.models import ApiToken, Organisation
from marketplace.clearing import record
from marketplace.clearing.models import MarketRun
from marketplace.engine import digest
from tests.cast import Cast
from tests.clearing.market import make_reference, run
from tests.factories import make_fleet, make_offer, make_request, make_site
from tests.pages_market.scenes import signed_in

# The snapshot is read in a repeatable-read transaction of its own.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cleared(cast: Cast, now: object) -> MarketRun:
    """The owner sold to the buyer; the other owner and the other buyer did not trade."""
    make_reference()
    make_offer(make_fleet(make_site(cast.owner)), cards=8, ask="10")
    make_offer(make_fleet(make_site(cast.other_owner)), cards=8, ask="90")
    make_request(cast.buyer, cards=8, limit="12")
    make_request(cast.other_buyer, cards=8, limit="1")
    return run()


def packed(done: MarketRun) -> bytes:
    file = BytesIO()
    record.write_package(done, file)
    return file.getvalue()


def part(done: MarketRun, user: Any) -> dict[str, Any]:
    data = record.part_for(viewer_of_user(user), done)
    assert data is not None
    return dict(json.loads(data))


def test_a_package_holds_the_bytes_and_their_digests(cleared: MarketRun) -> None:
    with zipfile.ZipFile(BytesIO(packed(cleared))) as package:
        names = package.namelist()
        held = {name: package.read(name) for name in names}

    assert names == ["README.txt", "SHA256SUMS", "snapshot.json", "result.json"]
    assert digest(held["snapshot.json"]) == cleared.snapshot_digest
    assert digest(held["result.json"]) == cleared.result_digest
    assert held["SHA256SUMS"].decode().split() == [
        cleared.snapshot_digest, "snapshot.json", cleared.result_digest, "result.json"
    ]  # fmt: skip
    assert (
        f"Market run {cleared} of Cardhour, cleared by engine {cleared.engine}" in held["README.txt"].decode()
    )


def test_the_same_run_gives_the_same_package(cleared: MarketRun) -> None:
    assert packed(cleared) == packed(cleared)


def test_an_operator_can_write_the_package_where_the_database_is(cleared: MarketRun, tmp_path: Path) -> None:
    path = tmp_path / "run.zip"

    call_command("replay", str(cleared.pk), package=path)

    assert path.read_bytes() == packed(cleared)


def test_auditors_and_operators_download_the_package(cleared: MarketRun, cast: Cast) -> None:
    address = reverse("api:market-run-package", args=[cleared.pk])

    answer = signed_in(cast.auditor).get(address)

    assert b"".join(answer) == packed(cleared)
    assert answer["Content-Type"] == "application/zip"
    assert f'filename="cardhour-run-{cleared.pk}.zip"' in answer["Content-Disposition"]
    assert signed_in(cast.operator).get(address).status_code == 200
    for user in (cast.owner_admin, cast.buyer_admin, cast.stranger, None):
        assert signed_in(user).get(address).status_code in {401, 404}


def test_a_run_that_was_not_committed_has_no_package(cleared: MarketRun, cast: Cast) -> None:
    failed = MarketRun.objects.create(
        state="failed", opened_at=cleared.opened_at, horizon_start=cleared.horizon_start, slots=1
    )

    assert signed_in(cast.auditor).get(reverse("api:market-run-package", args=[failed.pk])).status_code == 404


def test_a_buyer_takes_home_its_requests_and_what_they_got(cleared: MarketRun, cast: Cast) -> None:
    taken = part(cleared, cast.buyer_viewer)

    [request] = cast.buyer.requests.all()
    assert [row["id"] for row in taken["snapshot"]["requests"]] == [request.pk]
    assert taken["snapshot"]["requests"][0]["alternatives"][0]["limit"] == 12_000_000
    assert taken["snapshot"]["offers"] == taken["snapshot"]["sites"] == taken["result"]["offers"] == []
    assert [row["request"] for row in taken["result"]["placements"]] == [request.pk]
    assert [row["request"] for row in taken["result"]["explanations"]] == [request.pk]


def test_an_owner_takes_home_its_offers_and_what_they_sold(cleared: MarketRun, cast: Cast) -> None:
    taken = part(cleared, cast.owner_viewer)

    [offer] = [row["id"] for row in taken["snapshot"]["offers"]]
    assert [row["owner"] for row in taken["snapshot"]["sites"]] == [cast.owner.pk]
    assert [row["offer"] for row in taken["result"]["placements"]] == [offer]
    assert [row["sold"] for row in taken["result"]["offers"]] == [32]
    assert taken["snapshot"]["requests"] == taken["result"]["explanations"] == []


def test_a_part_shows_nothing_of_the_others(cleared: MarketRun, cast: Cast) -> None:
    """The one who did not trade: of the others it sees the public prices, and neither limits nor asks."""
    data = record.part_for(viewer_of_user(cast.stranger), cleared)

    assert data is not None
    text = data.decode()
    assert '"limit":1000000' in text
    assert "90000000" in text
    assert "12000000" not in text
    assert "shadows" not in text
    assert json.loads(data)["result"]["placements"] == []
    assert len(json.loads(data)["result"]["prices"]) == 4


def test_a_part_names_the_digests_of_the_whole(cleared: MarketRun, cast: Cast) -> None:
    taken = part(cleared, cast.buyer_viewer)

    assert taken["snapshot_digest"] == taken["result"]["snapshot"] == cleared.snapshot_digest
    assert taken["result_digest"] == cleared.result_digest


def test_who_had_no_order_in_a_run_has_no_part_in_it(cleared: MarketRun, cast: Cast) -> None:
    newcomer = Organisation.objects.create(kind="buyer", name_en="New", name_zh="新", jurisdiction="CN")
    newcomer.memberships.create(user=cast.nobody_yet, role="admin")

    for viewer in (NOBODY, viewer_of_user(cast.nobody_yet), viewer_of_user(cast.auditor)):
        assert record.part_for(viewer, cleared) is None


def test_a_token_that_only_delivers_has_no_part(cleared: MarketRun, cast: Cast) -> None:
    token, _ = cast.api_token(cast.owner, "agent")

    assert record.part_for(viewer_of_token(ApiToken.objects.get(pk=token.pk)), cleared) is None


def test_the_report_offers_what_its_reader_may_take_home(cleared: MarketRun, cast: Cast) -> None:
    def offered(user: Any) -> set[str]:
        text = signed_in(user).get(f"/market/runs/{cleared.pk}/").content.decode()
        return {name for name in ("package", "part") if f"/market-runs/{cleared.pk}/{name}" in text}

    assert offered(cast.auditor) == offered(cast.operator) == {"package"}
    assert offered(cast.owner_viewer) == offered(cast.buyer_viewer) == offered(cast.stranger) == {"part"}
    assert offered(cast.nobody_yet) == offered(None) == set()
