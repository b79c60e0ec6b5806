"""The bell: what a person was told, and how it wants to be told."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from marketplace.clock import market_now
from marketplace.notifications import services
from marketplace.notifications.kinds import KINDS
from marketplace.notifications.models import Kind, Mail, Preference
from marketplace.notifications.selectors import in_words, notifications_of, url_of
from marketplace.web.fields import posted
from marketplace.web.listing import page_of, refused


class MailForm(forms.Form):
    """A choice for each kind that concerns the reader."""

    def __init__(self, *args: object, user: User, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        liked = dict(Preference.objects.filter(user=user).values_list("kind", "mail"))
        for kind in Kind:
            if services.concerns(user, kind):
                initial = liked.get(kind, KINDS[kind].mail)
                self.fields[kind] = forms.ChoiceField(label=kind.label, choices=Mail.choices, initial=initial)


def reader(request: HttpRequest) -> User:
    """The person who reads; views that ask for it need a login."""
    if not isinstance(request.user, User):
        raise TypeError("only people have notifications")
    return request.user


@login_required
@require_safe
def notifications(request: HttpRequest) -> HttpResponse:
    user = reader(request)
    page = page_of(request, notifications_of(user))
    context = {
        "page": page,
        "lines": [in_words(each) for each in page],
        "unread": notifications_of(user).filter(read_at=None).count(),
    }
    return render(request, "notifications/notifications.html", context)


@login_required
@require_POST
def open_notification(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark it as read and go where it leads."""
    user = reader(request)
    shown = get_object_or_404(notifications_of(user), pk=pk)
    services.mark_read(user=user, now=market_now(), only=shown.pk)
    return redirect(url_of(shown.event))


@login_required
@require_POST
def read_all(request: HttpRequest) -> HttpResponse:
    services.mark_read(user=reader(request), now=market_now())
    return redirect("notifications:notifications")


@login_required
@require_http_methods(["GET", "POST"])
def preferences(request: HttpRequest) -> HttpResponse:
    user = reader(request)
    form = MailForm(posted(request), user=user)
    if form.is_valid():
        services.prefer(user=user, wishes=form.cleaned_data, now=market_now())
        messages.success(request, _("From now on you hear of these as you said."))
        return redirect("notifications:preferences")
    if form.errors:
        return refused(request, "notifications/preferences.html", {"form": form})
    return render(request, "notifications/preferences.html", {"form": form})
