"""Packs that somebody asked for, and their bytes."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import pgettext_lazy

from accounts.models import User
from marketplace.guards import NEVER_DELETED, NEVER_EMPTIED, changes_once

MADE = "ARRAY['content', 'digest', 'size', 'manifest_digest', 'verifier_digest']"


class EvidencePack(models.Model):
    """A zip about one case as it was ``as_of`` (market time), asked for by ``made_for``.

    ``digest`` is the SHA-256 of ``content``; both come with the job that makes the pack, once. The digests of
    its manifest and of the verifier in it are kept too, so that a reader can compare them with a copy.
    A site's case is of a window; the others are whole.
    """

    class Case(models.TextChoices):
        AGREEMENT = "agreement", pgettext_lazy("case", "Agreement")
        SITE = "site", pgettext_lazy("case", "Site")
        FINDING = "finding", pgettext_lazy("case", "Finding")

    case = models.CharField(max_length=10, choices=Case)
    subject = models.PositiveBigIntegerField()
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    as_of = models.DateTimeField(help_text="market time")
    language = models.CharField(max_length=12)
    made_for = models.ForeignKey(User, on_delete=models.PROTECT, related_name="evidence_packs")
    content = models.BinaryField(null=True)
    digest = models.CharField(max_length=64, blank=True, default="")
    size = models.PositiveBigIntegerField(null=True)
    manifest_digest = models.CharField(max_length=64, blank=True, default="")
    verifier_digest = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(case="site", starts_at__isnull=False, ends_at__gt=F("starts_at"))
                | (~Q(case="site") & Q(starts_at=None, ends_at=None)),
                name="evidence_pack_window",
            ),
            models.CheckConstraint(
                condition=Q(digest="", content=None) | (~Q(digest="") & Q(content__isnull=False)),
                name="evidence_pack_is_whole",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["case", "subject", "-id"])]
        triggers: ClassVar = [
            changes_once(
                "made_once",
                unless="OLD.digest <> '' OR NEW.digest = ''",
                only=MADE,
                problem="a pack of evidence is made once, and does not change",
                constraint="evidence_pack_made_once",
            ),
            NEVER_EMPTIED,
            NEVER_DELETED,
        ]

    def __str__(self) -> str:
        return f"E{self.pk}"

    @property
    def is_made(self) -> bool:
        return bool(self.digest)

    @property
    def file_name(self) -> str:
        return f"cardhour-evidence-{self.case}-{self.subject}-{self.pk}.zip"
