"""What every change by an administrator of an organisation begins with."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.actors import Actor, Capability, Viewer, viewer_of_user
from accounts.models import Organisation, Role, User
from marketplace.errors import InvalidInput


def administering(viewer: Viewer, organisation_id: int) -> Actor:
    """The actor, if it administers the organisation now; the organisation's row is locked from here on.

    A viewer is as old as its request. Who was demoted since then is refused, and a demotion that comes
    later waits and finds what was made here.
    """
    actor = viewer.require(Capability.ADMINISTER, organisation_id)
    lock(organisation_id)
    if actor.user is not None:
        viewer_of_user(User.objects.get(pk=actor.user.pk)).require(Capability.ADMINISTER, organisation_id)
    return actor


def lock(organisation_id: int) -> None:
    """Wait for everybody else who changes the people of this organisation."""
    Organisation.objects.select_for_update(no_key=True).get(pk=organisation_id)


def check_role(role: str) -> None:
    if role not in Role.values:
        raise InvalidInput(_("There is no such role."), {"role": _("Choose one of the list.")})
