"""A program becomes the agent of a site, changes its key, and is turned away when its owner says so."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db.models import F
from django.test import Client

from accounts.models import AuditEvent, Membership, Role
from accounts.services import revoke_token
from marketplace.agent.enrolling import enrol, rotate
from marketplace.agent.errors import SiteProblem
from marketplace.agent.exchange import Exchange, Refused, connect
from marketplace.agent.identity import Identity
from marketplace.agent.signing import SignedBy
from marketplace.agents.models import Agent, EnrolmentCode
from marketplace.agents.services import make_code, revoke_code
from marketplace.errors import NotAllowed
from marketplace.supply.models import Site
from tests.agent.in_process import exchange_transport
from tests.agents_at_work import HOST, agent_of, stolen
from tests.cast import Cast, bearer
from tests.delivery.agreements import make_delivery
from tests.factories import make_fleet, make_site, site_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]


@pytest.fixture
def site(cast: Cast) -> Site:
    return site_of(cast.owner)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "identity.json"


def code_for(cast: Cast, site: Site, now: datetime) -> str:
    viewer = cast.viewer_of(cast.owner_admin)
    return make_code(viewer=viewer, site=site, now=now, wall_now=datetime.now(UTC))[1]


def enrolled(code: str, path: Path) -> dict[str, Any]:
    return enrol(HOST.replace("http:", "https:"), code, path, transport=exchange_transport())


def ask(path: Path) -> dict[str, Any]:
    identity = Identity.read(path)
    with connect(HOST, SignedBy(lambda: identity), transport=exchange_transport()) as client:
        return Exchange(client).self()


def refusal(path: Path) -> str:
    with pytest.raises(Refused) as refused:
        ask(path)
    return refused.value.code


class Cut(httpx.BaseTransport):
    """The exchange behind a line that is cut once: after ``path`` was answered, before the answer arrives."""

    def __init__(self, path: str) -> None:
        self.path, self.behind = path, exchange_transport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self.behind.handle_request(request)
        if request.url.path == self.path:
            self.path = ""
            raise SystemExit("killed")
        return response


def test_a_code_makes_an_agent_once_and_neither_secret_is_stored(
    cast: Cast, site: Site, path: Path, now: datetime
) -> None:
    code = code_for(cast, site, now)
    answer = enrolled(code, path)
    agent = Agent.objects.get()
    assert (answer["site"], agent.site, ask(path)["id"]) == (site.pk, site, agent.pk)
    identity = Identity.read(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert agent.public_key == identity.key.public
    stored = json.dumps(list(Agent.objects.values(*(f.name for f in Agent._meta.fields))), default=str)
    stored += str(EnrolmentCode.objects.values()) + str(AuditEvent.objects.values())
    assert not [secret for secret in (code, identity.token, identity.key.secret) if secret in stored]
    with pytest.raises(Refused, match="enrolment_code_refused"):
        enrolled(code, path.with_name("another.json"))
    with pytest.raises(SiteProblem, match="enrolled already"):
        enrolled(code, path)
    assert {"enrolment_code.created", "agent.enrolled"} <= set(
        AuditEvent.objects.filter(organisation=cast.owner).values_list("action", flat=True)
    )


def test_codes_are_short_lived_and_end_when_the_owner_says_so(
    cast: Cast, site: Site, path: Path, now: datetime
) -> None:
    first = code_for(cast, site, now)
    second = code_for(cast, site, now)  # making another ends the first
    revoke_code(viewer=cast.viewer_of(cast.owner_admin), site=site, now=now)
    late = code_for(cast, site, now)
    EnrolmentCode.objects.filter(agent=None).update(expires_at=F("expires_at") - timedelta(minutes=31))
    of_somebody_who_left = code_for(cast, site, now)
    Membership.objects.filter(user=cast.owner_admin).update(role=Role.VIEWER)
    for code in ("che_guessed", first, second, late, of_somebody_who_left):
        with pytest.raises(Refused, match="enrolment_code_refused"):
            enrolled(code, path)
    assert not Agent.objects.exists()
    with pytest.raises(NotAllowed):
        make_code(viewer=cast.viewer_of(cast.owner_trader), site=site, now=now, wall_now=now)


def test_killed_before_the_answer_came_the_agent_enrols_with_the_same_code(
    cast: Cast, site: Site, path: Path, now: datetime
) -> None:
    code, url = code_for(cast, site, now), "https://testserver"
    with pytest.raises(SystemExit):
        enrol(url, code, path, transport=Cut("/api/v1/agent/enrolment"))
    enrol(url, code, path, transport=exchange_transport())
    assert ask(path)["id"] == Agent.objects.get().pk


def test_a_site_has_one_agent_the_newest(cast: Cast, site: Site, path: Path, now: datetime) -> None:
    enrolled(code_for(cast, site, now), path)
    newer = path.with_name("newer.json")
    enrolled(code_for(cast, site, now), newer)
    assert refusal(path) == "authentication_failed"
    assert ask(newer)["site"] == site.pk


def test_the_owner_revokes_at_once(cast: Cast, site: Site, path: Path, now: datetime) -> None:
    enrolled(code_for(cast, site, now), path)
    token = Agent.objects.get().token
    revoke_token(viewer=cast.viewer_of(cast.owner_admin), token=token, now=now)
    assert refusal(path) == "authentication_failed"


def test_a_stolen_token_alone_does_nothing_anywhere(cast: Cast, client: Client, site: Site) -> None:
    agent = agent_of(cast.owner)
    addresses = ("agent/self", "agent/deliveries", "deliveries", "offers", "meter-events")
    with stolen(agent.secret):
        answers = [client.get(f"/api/v1/{address}", headers=bearer(agent.secret)) for address in addresses]
    assert {answer.json()["code"] for answer in answers} == {"signature_missing"}
    assert {answer.status_code for answer in answers} == {401}
    assert client.get("/api/v1/agent/self", headers=bearer(agent.secret)).status_code == 200


def test_the_old_key_ends_when_the_new_one_is_used(cast: Cast, site: Site, path: Path, now: datetime) -> None:
    enrolled(code_for(cast, site, now), path)
    before, old = Identity.read(path), path.with_name("old.json")
    before.write(old)
    rotate(path, transport=exchange_transport())
    after = Identity.read(path)
    assert (after.next_key, after.token) == (None, before.token)
    assert after.key != before.key
    assert ask(path)["key"] == after.key.name
    assert refusal(old) == "signature_key_unknown"


@pytest.mark.parametrize("killed_at", ["/api/v1/agent/key", "/api/v1/agent/self"])
def test_a_rotation_killed_anywhere_is_finished_by_the_next(
    cast: Cast, site: Site, path: Path, now: datetime, killed_at: str
) -> None:
    enrolled(code_for(cast, site, now), path)
    identity = Identity.read(path)
    with pytest.raises(SystemExit):
        rotate(path, transport=Cut(killed_at))
    announced = Identity.read(path).next_key
    rotate(path, transport=exchange_transport())
    after = Identity.read(path)
    assert after.key == announced
    assert ask(path)["key"] == after.key.name != identity.key.name
    assert Agent.objects.get().next_key == ""


def test_an_announced_key_leaves_the_old_one_working(
    cast: Cast, path: Path, site: Site, now: datetime
) -> None:
    """Killed before the exchange heard of it: the file knows the next key and the exchange does not."""
    enrolled(code_for(cast, site, now), path)
    Identity.read(path).with_next_key().write(path)
    assert ask(path)["key"] == Identity.read(path).key.name
    rotate(path, transport=exchange_transport())
    assert ask(path)["key"] == Identity.read(path).key.name


def test_an_agent_delivers_for_its_site_and_no_other_of_the_owner(cast: Cast, client: Client) -> None:
    agent = agent_of(cast.owner)
    mine = make_delivery(owner=cast.owner, buyer=cast.buyer)
    elsewhere = make_delivery(
        owner=cast.owner, buyer=cast.buyer, fleet=make_fleet(make_site(cast.owner), cards=8)
    )
    headers = bearer(agent.secret)
    found = client.get("/api/v1/agent/deliveries", headers=headers).json()["results"]
    assert [row["id"] for row in found] == [mine.pk]
    step = {"to": "provisioning", "at": "2026-03-02T08:20:00Z", "report": {}}
    address = "/api/v1/agent/deliveries/{}/transitions"
    answers = [
        client.post(address.format(pk), step, content_type="application/json", headers=headers).status_code
        for pk in (mine.pk, elsewhere.pk)
    ]
    assert answers == [200, 404]
