"""Who acts, and what it may see and do.

An ``Actor`` is what an audit event names. A ``Viewer`` is an actor with its capabilities; every
``…_for(viewer)`` selector and every service asks it and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext as _

from accounts.models import ApiToken, Role, Scope, User
from marketplace.errors import NotAllowed


class Capability(StrEnum):
    READ = "read"
    TRADE = "trade"
    FINANCE = "finance"
    ADMINISTER = "administer"
    DELIVER = "deliver"


OF_ROLE: Mapping[str, frozenset[Capability]] = {
    Role.VIEWER: frozenset({Capability.READ}),
    Role.TRADER: frozenset({Capability.READ, Capability.TRADE}),
    Role.FINANCE: frozenset({Capability.READ, Capability.FINANCE}),
    Role.ADMIN: frozenset({Capability.READ, Capability.TRADE, Capability.FINANCE, Capability.ADMINISTER}),
}
OF_SCOPE: Mapping[str, frozenset[Capability]] = {
    Scope.READ: frozenset({Capability.READ, Capability.FINANCE}),
    Scope.TRADE: frozenset({Capability.READ, Capability.TRADE}),
    Scope.AGENT: frozenset({Capability.DELIVER}),
}
NOTHING: frozenset[Capability] = frozenset()


@dataclass(frozen=True, slots=True)
class Actor:
    """A user, a token or a task; exactly one of the three."""

    user: User | None = None
    token: ApiToken | None = None
    task: str = ""

    def __post_init__(self) -> None:
        if sum((self.user is not None, self.token is not None, bool(self.task))) != 1:
            raise ValueError("an actor is a user, a token or a task")

    def __str__(self) -> str:
        if self.user is not None:
            return f"user:{self.user.pk}"
        return f"token:{self.token.pk}" if self.token is not None else f"task:{self.task}"


@dataclass(frozen=True, slots=True)
class Viewer:
    """``capabilities`` by organisation id; auditors and operators read every organisation.

    An agent delivers for one ``site`` only, whatever else its organisation has.
    """

    actor: Actor | None
    capabilities: Mapping[int, frozenset[Capability]] = field(default_factory=dict)
    is_auditor: bool = False
    is_operator: bool = False
    site: int | None = None

    @property
    def sees_everything(self) -> bool:
        return self.is_auditor or self.is_operator

    def may(self, capability: Capability, organisation_id: int) -> bool:
        if self.sees_everything and capability in {Capability.READ, Capability.FINANCE}:
            return True
        return capability in self.capabilities.get(organisation_id, NOTHING)

    def organisations_with(self, capability: Capability) -> list[int]:
        """Ids of the organisations it may do this for by membership or token."""
        return [pk for pk, granted in self.capabilities.items() if capability in granted]

    def require(self, capability: Capability, organisation_id: int) -> Actor:
        """The actor, if it may do this for the organisation; otherwise ``NotAllowed``."""
        if self.actor is None or capability not in self.capabilities.get(organisation_id, NOTHING):
            raise NotAllowed(
                _(
                    "This needs the permission to %(capability)s for the organisation. "
                    "Ask an administrator of the organisation for a role that includes it."
                )
                % {"capability": capability}
            )
        return self.actor


NOBODY = Viewer(actor=None)


def viewer_of_user(user: User | AnonymousUser) -> Viewer:
    if not isinstance(user, User) or not user.is_active:
        return NOBODY
    return Viewer(
        actor=Actor(user=user),
        capabilities={m.organisation_id: OF_ROLE[m.role] for m in user.memberships.all()},
        is_auditor=user.platform_role == User.PlatformRole.AUDITOR,
        is_operator=user.platform_role == User.PlatformRole.OPERATOR,
    )


def viewer_of_token(token: ApiToken, *, site: int | None = None) -> Viewer:
    granted = frozenset[Capability]().union(*(OF_SCOPE[scope] for scope in token.scopes))
    return Viewer(actor=Actor(token=token), capabilities={token.organisation_id: granted}, site=site)


def task_actor(name: str) -> Actor:
    return Actor(task=name)
