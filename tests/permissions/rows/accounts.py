from __future__ import annotations

from accounts import invitations
from accounts.models import Invitation, Membership
from tests.cast import Cast
from tests.permissions.table import Row, api, everybody, only, page


def a_member(cast: Cast) -> dict[str, object]:
    return {"pk": Membership.objects.get(user=cast.owner_trader).pk}


def an_invitation(cast: Cast) -> Invitation:
    return Invitation.objects.create(
        organisation=cast.owner, email="new@example.com", role="viewer", invited_by=cast.owner_admin
    )


def its_id(cast: Cast) -> dict[str, object]:
    return {"pk": an_invitation(cast).pk}


def its_link(cast: Cast) -> dict[str, object]:
    return {"key": invitations.key_of(an_invitation(cast))}


def a_token(cast: Cast) -> dict[str, object]:
    return {"pk": cast.api_token(cast.owner, "read")[0].pk}


def a_problem(cast: Cast) -> dict[str, object]:
    return {"code": "invalid_input"}


NEW_ORGANISATION = {
    "kind": "buyer",
    "name_en": "New",
    "name_zh": "新",
    "jurisdiction": "CN",
    "time_zone": "Asia/Shanghai",
}
# A page about the organisation that one works for: a stranger sees its own, the exchange's people none.
OWN_ORGANISATION = page(stranger=200, auditor=404, operator=404)
ADMINISTRATORS = only(302, "admin", auditor=403, operator=403)

ROWS = [
    Row("accounts:new_organisation", page(stranger=200)),
    Row("accounts:new_organisation", page(302, stranger=302), method="POST", body=NEW_ORGANISATION),
    Row(
        "accounts:switch_organisation",
        page(302, auditor=404, operator=404),
        method="POST",
        body=lambda cast: {"organisation": cast.owner.pk},
    ),
    Row("accounts:team", OWN_ORGANISATION),
    Row(
        "accounts:invite",
        only(302, "admin", stranger=302, auditor=404, operator=404),
        method="POST",
        body={"email": "new@example.com", "role": "viewer"},
    ),
    Row("accounts:withdraw_invitation", ADMINISTRATORS, method="POST", given=its_id),
    # Whoever has the link reads the mail of its address. Others who are signed in are asked to sign out.
    Row("accounts:join", everybody(200), given=its_link, public=True),
    Row(
        "accounts:join",
        everybody(403) | {"anonymous": 422},
        method="POST",
        given=its_link,
        public=True,
        body={"password": "short", "again": "short"},
    ),
    Row("accounts:change_role", ADMINISTRATORS, method="POST", given=a_member, body={"role": "finance"}),
    Row("accounts:remove_member", ADMINISTRATORS, method="POST", given=a_member),
    Row("accounts:tokens", OWN_ORGANISATION),
    Row(
        "accounts:new_token",
        only(200, "admin", stranger=200, auditor=404, operator=404),
        method="POST",
        body={"name": "reports", "scopes": ["read"], "days": "30"},
    ),
    Row("accounts:revoke_token", ADMINISTRATORS, method="POST", given=a_token),
    Row("accounts:audit_chain", page(stranger=200)),
    *(
        Row(name, api(stranger=200, token_read=200, token_trade=200, token_agent=200, token_stranger=200))
        for name in [
            "api:organisations",
            "api:members",
            "api:tokens",
            "api:audit_events",
            "api:audit_seals",
        ]
    ),
    Row("api:schema", everybody(200)),
    Row("api:docs", everybody(200)),
    Row("api:unknown", everybody(404)),
    Row("problem", everybody(200), given=a_problem),
    Row("home", everybody(200) | {"auditor": 302, "operator": 302}),
    Row("healthz", everybody(200)),
    Row("readyz", everybody(200)),
]
