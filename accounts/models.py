"""Who: users, organisations, roles, API tokens; and the audit chain of what they did."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

import pgtrigger
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from marketplace.append_only import NEVER_TRUNCATED


class Organisation(models.Model):
    class Kind(models.TextChoices):
        OWNER = "owner", _("Owner")
        BUYER = "buyer", _("Buyer")

    kind = models.CharField(max_length=10, choices=Kind)
    name_en = models.CharField(max_length=120, unique=True)
    name_zh = models.CharField(max_length=120, unique=True)
    jurisdiction = models.CharField(max_length=8)
    time_zone = models.CharField(max_length=40, default="UTC")
    suspended_since = models.DateTimeField(null=True, editable=False, help_text="market time")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(kind__in=["owner", "buyer"]), name="organisation_kind"),
        ]

    def __str__(self) -> str:
        return self.name_zh if (get_language() or "").startswith("zh") else self.name_en


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """An operator of the exchange: only operators enter the admin."""
        fields.setdefault("platform_role", User.PlatformRole.OPERATOR)
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person. ``platform_role`` is for the exchange's own people, who see across tenants."""

    class PlatformRole(models.TextChoices):
        NONE = "", _("None")
        AUDITOR = "auditor", _("Auditor")
        OPERATOR = "operator", _("Operator")

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    platform_role = models.CharField(max_length=10, choices=PlatformRole, blank=True, default="")
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    date_joined = models.DateTimeField(db_default=Now())

    objects = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("email"), name="user_email_unique_whatever_its_case"),
            models.CheckConstraint(
                condition=Q(platform_role__in=["", "auditor", "operator"]), name="user_platform_role"
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.email


class Role(models.TextChoices):
    """What a member may do in its organisation. ``accounts.permissions`` says it exactly."""

    VIEWER = "viewer", _("Viewer")
    TRADER = "trader", _("Trader")
    FINANCE = "finance", _("Finance")
    ADMIN = "admin", _("Administrator")


class Membership(models.Model):
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "organisation"], name="membership_once"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.organisation} · {self.role}"


class Invitation(models.Model):
    """Somebody is asked to become a member. It becomes one by accepting, and not before.

    The link in the mail names this row and is signed; nothing of it is stored. It works for
    ``LIFETIME`` of wall time, while the invitation is open.
    """

    LIFETIME = timedelta(days=7)

    class State(models.TextChoices):
        OPEN = "open", pgettext_lazy("invitation", "Open")
        ACCEPTED = "accepted", pgettext_lazy("invitation", "Accepted")
        WITHDRAWN = "withdrawn", pgettext_lazy("invitation", "Withdrawn")

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=10, choices=Role)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organisation", "email"], condition=Q(state="open"), name="open_invitation_once"
            ),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="invitation_role"),
            models.CheckConstraint(condition=Q(email=Lower("email")), name="invitation_email_in_lower_case"),
        ]
        triggers: ClassVar = [
            pgtrigger.FSM(
                name="open_once",
                field="state",
                transitions=[("open", "accepted"), ("open", "withdrawn")],
            ),
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.email} · {self.organisation} · {self.role}"

    @property
    def expires_at(self) -> datetime:
        return self.created_at + self.LIFETIME


class Scope(models.TextChoices):
    """What an API token may do for its organisation."""

    READ = "read", _("Read")
    TRADE = "trade", _("Trade")
    AGENT = "agent", _("Deliver and meter")


class ApiToken(models.Model):
    """A bearer token of an organisation. Only its SHA-256 digest is stored."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="tokens")
    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True)
    prefix = models.CharField(max_length=12)
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope))
    created_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(scopes__len__gt=0) & Q(scopes__contained_by=Scope.values), name="token_scopes"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class AuditEvent(models.Model):
    """One change: who did what to which object, written in the transaction that made the change.

    ``digest`` is the SHA-256 of the event's canonical content; ``accounts.audit`` makes it.
    """

    occurred_at = models.DateTimeField()
    user = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    token = models.ForeignKey(ApiToken, null=True, on_delete=models.PROTECT, related_name="+")
    task = models.CharField(max_length=80, blank=True)
    organisation = models.ForeignKey(Organisation, null=True, on_delete=models.PROTECT, related_name="+")
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=60)
    object_id = models.CharField(max_length=60)
    data = models.JSONField()
    digest = models.CharField(max_length=64)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(user__isnull=False) | Q(token__isnull=False) | ~Q(task=""),
                name="audit_event_has_an_actor",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["object_type", "object_id"]),
            models.Index(fields=["organisation", "-id"]),
            # What an organisation reads on the page of who looked at it.
            models.Index(
                fields=["organisation", "-id"], condition=Q(action="auditor.looked"), name="audit_event_looks"
            ),
        ]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_type} {self.object_id}"


class PersonalFact(models.Model):
    """What an audit event says of a person, beside the event, so that it can be forgotten.

    The event itself has the SHA-256 of ``salt`` and ``value`` (``accounts.audit.commitment``), which proves
    the value while it is kept and says nothing once the salt is gone. The chain holds with and without it.
    """

    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="personal")
    name = models.CharField(max_length=40)
    salt = models.CharField(max_length=64)
    value = models.CharField(max_length=320)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event", "name"], name="personal_fact_once_an_event"),
        ]
        indexes: ClassVar = [models.Index(fields=["value"])]
        triggers: ClassVar = [pgtrigger.Protect(name="as_written", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return f"{self.name} of event {self.event_id}"


class AuditSeal(models.Model):
    """A link of the audit chain: ``digest`` = SHA-256 of the previous link's digest and the event's.

    Events are chained after they committed, by one sealer at a time, so that writers never wait
    for each other. A gap, a changed event or a changed link breaks the chain.
    """

    position = models.PositiveBigIntegerField(primary_key=True)
    event = models.OneToOneField(AuditEvent, on_delete=models.PROTECT, related_name="seal")
    previous = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    sealed_at = models.DateTimeField(db_default=Now())

    class Meta:
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.position}: {self.digest[:12]}"


class IdempotencyRecord(models.Model):
    """The answer to a POST that carried an ``Idempotency-Key``, given again when it is repeated."""

    actor = models.CharField(max_length=40)
    key = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True)
    location = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["actor", "key"], name="idempotency_key_once"),
            models.CheckConstraint(
                condition=Q(status__isnull=True, body__isnull=True) | Q(status__isnull=False),
                name="idempotency_answer_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.key}"
