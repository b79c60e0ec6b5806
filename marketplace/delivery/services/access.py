"""Access details: sealed at the site for the buyer's organisation, destroyed at the end.

``docs/site-agent.md`` says what this protects from, and what not.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actors import Capability, Viewer
from marketplace.delivery.models import OVER, AccessDetails, Delivery, DeliveryState, OrganisationKey
from marketplace.delivery.services.steps import StepRefused
from marketplace.errors import DomainError, InvalidInput

LONGEST_SEALED = 65_536
SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


class AccessNotGiven(DomainError):
    code = "access_not_given"
    title = "There are no access details"


def ensure_keys(organisations: Iterable[int], *, now: datetime) -> None:
    """A pair for each that has none; a pair that is there stays."""
    wanted = set(organisations)
    missing = wanted - set(OrganisationKey.objects.filter(pk__in=wanted).values_list("pk", flat=True))
    OrganisationKey.objects.bulk_create((_new_key(pk, now) for pk in sorted(missing)), ignore_conflicts=True)


@transaction.atomic
def give_access(*, viewer: Viewer, delivery: Delivery, sealed: str, now: datetime) -> AccessDetails:
    """Keep what a site's agent sealed; given anew, the newest counts."""
    actor = viewer.require(Capability.DELIVER, delivery.site.owner_id)
    _check_sealed(sealed)
    locked = Delivery.objects.select_for_update(no_key=True).get(pk=delivery.pk)
    if locked.state in OVER:
        raise StepRefused(f"{delivery} is over: nobody is to get to its cards any more.")
    known = AccessDetails.objects.filter(delivery=delivery).first()
    if known is not None and known.sealed == sealed:
        return known
    given, _created = AccessDetails.objects.update_or_create(
        delivery=delivery, defaults={"sealed": sealed, "given_at": now, "destroyed_at": None}
    )
    audit.record(
        actor=actor, action="delivery.access_given", target=delivery, now=now,
        organisation=delivery.agreement.buyer_id,
    )  # fmt: skip
    return given


@transaction.atomic
def show_access(*, viewer: Viewer, delivery: Delivery, now: datetime) -> Mapping[str, str]:
    """Open them, for one who trades for the buyer, while the delivery is active. Each look is recorded."""
    actor = viewer.require(Capability.TRADE, delivery.agreement.buyer_id)
    given = AccessDetails.objects.filter(delivery=delivery, destroyed_at=None).first()
    if given is None:
        raise AccessNotGiven(_("The site has not given the access details. Ask its owner."))
    if delivery.state != DeliveryState.ACTIVE:
        raise AccessNotGiven(_("They are shown while the delivery is active, after the acceptance test."))
    details = _open(given.sealed, organisation=delivery.agreement.buyer_id, delivery=delivery.pk)
    audit.record(
        actor=actor, action="delivery.access_shown", target=delivery, now=now,
        organisation=delivery.agreement.buyer_id,
    )  # fmt: skip
    return details


def may_see_access(viewer: Viewer, delivery: Delivery) -> bool:
    return viewer.may(Capability.TRADE, delivery.agreement.buyer_id)


def _open(sealed: str, *, organisation: int, delivery: int) -> Mapping[str, str]:
    pair = OrganisationKey.objects.get(pk=organisation)
    private = X25519PrivateKey.from_private_bytes(_vault().decrypt(pair.private_key.encode()))
    info = f"cardhour access details of delivery {delivery}".encode()
    try:
        text = SUITE.decrypt(b64decode(sealed), private, info)
        details: Mapping[str, str] = json.loads(text)
    except (InvalidTag, ValueError) as error:
        raise AccessNotGiven(
            _("The site sealed them for somebody else, or for another delivery. Ask its owner.")
        ) from error
    return details


def _check_sealed(sealed: str) -> None:
    try:
        b64decode(sealed, validate=True)
    except (binascii.Error, ValueError):
        sealed = ""
    if not sealed or len(sealed) > LONGEST_SEALED:
        problem = {"sealed": f"Give base64 of at most {LONGEST_SEALED} characters."}
        raise InvalidInput("The access details are not sealed.", problem)


def _new_key(organisation: int, now: datetime) -> OrganisationKey:
    private = X25519PrivateKey.generate()
    return OrganisationKey(
        organisation_id=organisation,
        public_key=b64encode(private.public_key().public_bytes_raw()).decode(),
        private_key=_vault().encrypt(private.private_bytes_raw()).decode(),
        created_at=now,
    )


def _vault() -> MultiFernet:
    return _vault_of(tuple(settings.ACCESS_KEYS), settings.SECRET_KEY)


@cache
def _vault_of(keys: tuple[str, ...], secret: str) -> MultiFernet:
    derived = HKDF(SHA256(), 32, salt=None, info=b"cardhour access keys").derive(secret.encode())
    return MultiFernet([Fernet(key) for key in keys or (urlsafe_b64encode(derived).decode(),)])
