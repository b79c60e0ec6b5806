"""Errors that a user may see. The API and the pages turn them into answers in one place each."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext_noop


class DomainError(Exception):
    """A refusal with a stable ``code``. The message says what happened, to what, and what to do."""

    code: ClassVar[str] = "refused"
    title: ClassVar[str] = gettext_noop("The request was refused")
    status: ClassVar[int] = 409

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InvalidInput(DomainError):
    """``fields`` maps the name of each wrong field to what is wrong with it."""

    code = "invalid_input"
    title = gettext_noop("Some of the input is not valid")
    status = 422

    def __init__(self, message: str, fields: dict[str, str] | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.fields = fields or {}


class NotAllowed(DomainError):
    code = "not_allowed"
    title = gettext_noop("Your role does not allow this")
    status = 403
