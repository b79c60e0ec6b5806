"""The fixed cast of the tests: who plays in every scene.

Two organisations trade with each other, an owner and a buyer, each with an administrator, a trader, a
finance person and a viewer. The stranger administers another owner *and* another buyer, so only the
object decides. Auditor and operator belong to the exchange. Each is created when first asked for.

    def test_something(cast: Cast, client: Client) -> None:
        client.force_login(cast.buyer_trader)
        viewer = cast.viewer_of(cast.owner_admin)
        secret = cast.token(cast.owner, Scope.AGENT)  # of an enrolled agent; the client signs for it
        client.get("/api/v1/…", headers=bearer(secret))
"""

from __future__ import annotations

from functools import cached_property

from accounts.actors import Viewer, viewer_of_token, viewer_of_user
from accounts.authentication import SHOWN, digest_of, new_secret
from accounts.models import ApiToken, Membership, Organisation, Scope, User
from tests.agents_at_work import EnrolledAgent, agent_of, enrolled_at
from tests.factories import site_of

PASSWORD = "correct horse battery staple"


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


class Cast:
    @cached_property
    def owner(self) -> Organisation:
        return self.organisation("owner", "Blue River Data Centres", "蓝河数据中心")

    @cached_property
    def buyer(self) -> Organisation:
        return self.organisation("buyer", "Morning Light AI", "晨光智能")

    @cached_property
    def owner_admin(self) -> User:
        return self.member(self.owner, "admin")

    @cached_property
    def owner_trader(self) -> User:
        return self.member(self.owner, "trader")

    @cached_property
    def owner_finance(self) -> User:
        return self.member(self.owner, "finance")

    @cached_property
    def owner_viewer(self) -> User:
        return self.member(self.owner, "viewer")

    @cached_property
    def buyer_admin(self) -> User:
        return self.member(self.buyer, "admin")

    @cached_property
    def buyer_trader(self) -> User:
        return self.member(self.buyer, "trader")

    @cached_property
    def buyer_finance(self) -> User:
        return self.member(self.buyer, "finance")

    @cached_property
    def buyer_viewer(self) -> User:
        return self.member(self.buyer, "viewer")

    @cached_property
    def other_owner(self) -> Organisation:
        return self.organisation("owner", "Far Away Data Centres", "远方数据中心")

    @cached_property
    def other_buyer(self) -> Organisation:
        return self.organisation("buyer", "Far Away AI", "远方智能")

    @cached_property
    def stranger(self) -> User:
        user = self.person("stranger")
        self.join(user, self.other_owner, "admin")
        self.join(user, self.other_buyer, "admin")
        return user

    @cached_property
    def nobody_yet(self) -> User:
        """Has an account and no organisation."""
        return self.person("nobody-yet")

    @cached_property
    def auditor(self) -> User:
        return self.person("auditor", platform_role="auditor")

    @cached_property
    def operator(self) -> User:
        return self.person("operator", platform_role="operator", is_staff=True, is_superuser=True)

    def organisation(self, kind: str, name_en: str, name_zh: str) -> Organisation:
        return Organisation.objects.create(
            kind=kind, name_en=name_en, name_zh=name_zh, jurisdiction="CN", time_zone="Asia/Shanghai"
        )

    def person(self, name: str, **fields: object) -> User:
        return User.objects.create_user(f"{name}@example.com", PASSWORD, **fields)

    def member(self, organisation: Organisation, role: str) -> User:
        user = self.person(f"{role}.{organisation.kind}{organisation.pk}")
        self.join(user, organisation, role)
        return user

    def join(self, user: User, organisation: Organisation, role: str) -> None:
        Membership.objects.create(user=user, organisation=organisation, role=role)

    def viewer_of(self, user: User) -> Viewer:
        return viewer_of_user(user)

    def viewer_of_token(self, organisation: Organisation, *scopes: str) -> Viewer:
        return viewer_of_token(self.api_token(organisation, *scopes)[0])

    def agent(self, organisation: Organisation) -> EnrolledAgent:
        """A new one of the organisation's site."""
        return agent_of(organisation)

    def token(self, organisation: Organisation, *scopes: str) -> str:
        """The secret of a new token of these scopes."""
        return self.api_token(organisation, *scopes)[1]

    def api_token(self, organisation: Organisation, *scopes: str) -> tuple[ApiToken, str]:
        if Scope.AGENT in scopes:
            enrolled = enrolled_at(site_of(organisation), scopes=scopes)
            return enrolled.agent.token, enrolled.secret
        secret = new_secret()
        token = ApiToken.objects.create(
            organisation=organisation,
            name=f"{' and '.join(scopes)} token",
            digest=digest_of(secret),
            prefix=secret[:SHOWN],
            scopes=list(scopes),
        )
        return token, secret
