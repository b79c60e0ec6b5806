"""The sham of the demo market: a buyer that its seller controls.

The two conclude term agreements with each other under which nothing is ever reserved or called off
(``demo.terms``), and trade on the market like everybody else.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Count

from accounts.actors import Actor
from accounts.models import Organisation, User
from demo.people import OPERATOR
from marketplace.audit.findings.models import OwnershipLink
from marketplace.audit.findings.services import enter_link

SOURCE = "Demo: an extract of a company register that was made up"


def load_affiliates(*, now: datetime) -> dict[str, int]:
    """Enter who controls whom; returns the owner and the buyer by their kind.

    They are the second largest of each, for the demo's people work for the largest.
    """
    owners = Organisation.objects.filter(kind=Organisation.Kind.OWNER).annotate(size=Count("sites"))
    buyers = Organisation.objects.filter(kind=Organisation.Kind.BUYER).annotate(size=Count("requests"))
    owner, buyer = (found.order_by("-size", "pk")[1] for found in (owners, buyers))
    link = OwnershipLink(controller=owner, controlled=buyer, since=now, source=SOURCE)
    enter_link(link, actor=Actor(user=User.objects.get(email=OPERATOR)), now=now)
    return {owner.kind: owner.pk, buyer.kind: buyer.pk}
