"""The demo's people and tokens: one login a role, tokens for the buyers' feeder."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import asdict, dataclass

from allauth.account.models import EmailAddress
from django.db import transaction

from accounts.models import ApiToken, Membership, Organisation, Role, Scope, User
from marketplace.supply.models import Site

PASSWORD = "cardhour-demo"  # noqa: S105 - printed by the demo, which listens on loopback only


FINANCE = "finance@demo.example"
OPERATOR = "operator@demo.example"
TREASURER = "treasurer@demo.example"


@dataclass(frozen=True, slots=True)
class Login:
    role: str
    email: str
    password: str
    what: str


LOGINS = (
    ("owner", "owner@demo.example", Organisation.Kind.OWNER, Role.ADMIN, "sites, offers, statements"),
    ("buyer", "buyer@demo.example", Organisation.Kind.BUYER, Role.ADMIN, "requests, agreements, team"),
    ("trader", "trader@demo.example", Organisation.Kind.BUYER, Role.TRADER, "requests of the same buyer"),
    ("finance", FINANCE, Organisation.Kind.BUYER, Role.FINANCE, "its usage and invoices"),
    ("viewer", "viewer@demo.example", Organisation.Kind.BUYER, Role.VIEWER, "reads, changes nothing"),
)
PLATFORM_LOGINS = (
    (
        "auditor",
        "auditor@demo.example",
        User.PlatformRole.AUDITOR,
        "utilisation of every site, the audit chain",
    ),
    ("operator", OPERATOR, User.PlatformRole.OPERATOR, "parked work, market runs, payouts, the admin"),
    ("treasurer", TREASURER, User.PlatformRole.OPERATOR, "a second operator, who drafts payouts"),
)


@transaction.atomic
def create_people() -> list[dict[str, str]]:
    """Users for each role; the owner and the buyer are those with the most sites and requests."""
    owner = max(Organisation.objects.filter(kind="owner"), key=lambda o: (o.sites.count(), -o.pk))
    buyer = max(Organisation.objects.filter(kind="buyer"), key=lambda o: (o.requests.count(), -o.pk))
    logins = []
    for role, email, kind, membership, what in LOGINS:
        user = _user(email, role)
        Membership.objects.create(
            user=user, organisation=owner if kind == Organisation.Kind.OWNER else buyer, role=membership
        )
        logins.append(Login(role, email, PASSWORD, what))
    for role, email, platform_role, what in PLATFORM_LOGINS:
        is_staff = email == OPERATOR
        _user(email, role, platform_role=platform_role, is_staff=is_staff, is_superuser=is_staff)
        logins.append(Login(role, email, PASSWORD, what))
    return [asdict(login) for login in logins]


def _user(email: str, role: str, **fields: object) -> User:
    user = User.objects.create_user(email, PASSWORD, name=f"Demo {role}", **fields)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user


@transaction.atomic
def create_tokens(kind: str, scopes: list[Scope], *, name: str = "demo") -> list[dict[str, object]]:
    """A token for every organisation of a kind. The secrets are returned and stored nowhere else."""
    tokens: list[dict[str, object]] = []
    for organisation in Organisation.objects.filter(kind=kind).order_by("pk"):
        secret = f"chk_{secrets.token_urlsafe(32)}"
        ApiToken.objects.create(
            organisation=organisation,
            name=name,
            digest=hashlib.sha256(secret.encode()).hexdigest(),
            prefix=secret[:12],
            scopes=list(scopes),
        )
        tokens.append(
            {
                "organisation": organisation.pk,
                "name": organisation.name_en,
                "site_ids": list(Site.objects.filter(owner=organisation).values_list("pk", flat=True)),
                "token": secret,
            }
        )
    return tokens
