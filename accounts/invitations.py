"""The mail that tells a person of a new membership."""

from __future__ import annotations

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import Membership, User


def send(membership_id: int) -> None:
    """Tell the member. Somebody without a password gets a link to choose one, valid for three days."""
    membership = Membership.objects.select_related("user", "organisation").filter(pk=membership_id).first()
    if membership is None:
        return
    user = membership.user
    context = {
        "membership": membership,
        "is_new": not user.has_usable_password(),
        "link": settings.BASE_URL + (_sign_in() if user.has_usable_password() else _choose_password(user)),
    }
    subject = _("You are a member of %(organisation)s on Cardhour")
    send_mail(
        subject=subject % {"organisation": membership.organisation},
        message=render_to_string("accounts/email/invitation.txt", context),
        from_email=None,
        recipient_list=[user.email],
    )


def _sign_in() -> str:
    return reverse("account_login")


def _choose_password(user: User) -> str:
    key = default_token_generator.make_token(user)
    return reverse("account_reset_password_from_key", kwargs={"uidb36": user_pk_to_url_str(user), "key": key})
