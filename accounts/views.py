"""The pages of an organisation: its team, its tokens, and the audit chain."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.forms import Form
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import invitations, joining, services
from accounts.actors import Capability
from accounts.forms import InvitationForm, JoinForm, OrganisationForm, RoleForm, TokenForm
from accounts.middleware import SESSION_KEY
from accounts.models import ApiToken, Invitation, Organisation, Scope, User
from accounts.pages import show_refusal, with_organisation
from accounts.requests import PageRequest, id_in
from accounts.selectors import (
    audit_events_for,
    chain_state,
    members_for,
    open_invitations_for,
    organisations_for,
    tokens_for,
)
from marketplace.clock import market_now
from marketplace.errors import DomainError

EVENTS_A_PAGE = 50


@login_required
@require_http_methods(["GET", "POST"])
def new_organisation(request: PageRequest) -> HttpResponse:
    form = OrganisationForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and isinstance(request.user, User):
        try:
            organisation = services.create_organisation(
                founder=request.user, now=market_now(), **form.cleaned_data
            )
        except DomainError as refusal:
            show_refusal(form, refusal)
        else:
            request.session[SESSION_KEY] = organisation.pk
            messages.success(
                request, _("%(name)s is ready. Invite your colleagues.") % {"name": organisation}
            )
            return redirect("accounts:team")
    return render(request, "accounts/new_organisation.html", {"form": form}, status=_status(form))


@login_required
@require_POST
def switch_organisation(request: PageRequest) -> HttpResponse:
    """Work for another organisation of one's own from now on."""
    mine = organisations_for(request.viewer).filter(memberships__user=request.user.pk)
    organisation = get_object_or_404(mine, pk=id_in(request.POST.get("organisation", "")) or 0)
    request.session[SESSION_KEY] = organisation.pk
    onward = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(onward, allowed_hosts=None)
    # Not redirect(): it would take a word for the name of a view.
    return HttpResponseRedirect(onward if safe and onward else "/")


@with_organisation
@require_safe
def team(request: PageRequest, organisation: Organisation) -> HttpResponse:
    return _team(request, organisation, InvitationForm())


def _team(request: PageRequest, organisation: Organisation, form: InvitationForm) -> HttpResponse:
    members = members_for(request.viewer).filter(organisation=organisation).order_by("user__email")
    context = {
        "members": [(member, RoleForm(initial={"role": member.role})) for member in members],
        "invitations": open_invitations_for(request.viewer).filter(organisation=organisation),
        "may_administer": request.viewer.may(Capability.ADMINISTER, organisation.pk),
        "form": form,
    }
    return render(request, "accounts/team.html", context, status=_status(form))


@with_organisation
@require_POST
def invite(request: PageRequest, organisation: Organisation) -> HttpResponse:
    request.viewer.require(Capability.ADMINISTER, organisation.pk)
    form = InvitationForm(request.POST)
    if form.is_valid():
        try:
            invitation = joining.invite(
                viewer=request.viewer, organisation=organisation, now=market_now(), **form.cleaned_data
            )
        except DomainError as refusal:
            show_refusal(form, refusal)
        else:
            messages.success(request, _("%(email)s was invited.") % {"email": invitation.email})
            return redirect("accounts:team")
    return _team(request, organisation, form)


@login_required
@require_POST
def withdraw_invitation(request: PageRequest, pk: int) -> HttpResponse:
    invitation = get_object_or_404(open_invitations_for(request.viewer), pk=pk)
    joining.withdraw(viewer=request.viewer, invitation=invitation, now=market_now())
    messages.success(request, _("%(email)s is not invited any more.") % {"email": invitation.email})
    return redirect("accounts:team")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: PageRequest, key: str) -> HttpResponse:
    """Where the link of an invitation leads. Who has no account yet makes one by choosing a password."""
    invitation = invitations.find(key)
    if invitation is None:
        raise Http404
    if isinstance(request.user, User):
        return _join_as(request, invitation, request.user)
    if User.objects.filter(email=invitation.email).exists():
        return _join_page(request, invitation, sign_in=_sign_in_and_return(request))
    form = JoinForm(request.POST or None, email=invitation.email)
    if request.method != "POST" or not form.is_valid():
        return _join_page(request, invitation, form=form)
    membership = joining.accept_with_new_account(invitation=invitation, now=market_now(), **form.account())
    login(request, membership.user, backend="django.contrib.auth.backends.ModelBackend")
    return _joined(request, invitation)


def _join_as(request: PageRequest, invitation: Invitation, user: User) -> HttpResponse:
    if request.method != "POST":
        return _join_page(request, invitation, other=user.email.lower() != invitation.email)
    joining.accept(invitation=invitation, user=user, now=market_now())
    return _joined(request, invitation)


def _joined(request: PageRequest, invitation: Invitation) -> HttpResponse:
    request.session[SESSION_KEY] = invitation.organisation_id
    welcome = _("You act for %(organisation)s now.") % {"organisation": invitation.organisation}
    messages.success(request, welcome)
    return redirect("home")


def _join_page(request: PageRequest, invitation: Invitation, **context: Any) -> HttpResponse:
    """``form`` for a new account, ``sign_in`` where there is one, or ``other`` is signed in."""
    form = context.get("form")
    status = _status(form) if form else 200
    return render(request, "accounts/join.html", {"invitation": invitation} | context, status=status)


def _sign_in_and_return(request: PageRequest) -> str:
    """To sign in and come back here."""
    return f"{reverse('account_login')}?{urlencode({'next': request.path})}"


@login_required
@require_POST
def change_role(request: PageRequest, pk: int) -> HttpResponse:
    member = get_object_or_404(members_for(request.viewer), pk=pk)
    role = request.POST.get("role", "")
    services.change_role(viewer=request.viewer, membership=member, role=role, now=market_now())
    messages.success(request, _("The role of %(member)s was changed.") % {"member": member.user})
    return redirect("accounts:team")


@login_required
@require_POST
def remove_member(request: PageRequest, pk: int) -> HttpResponse:
    member = get_object_or_404(members_for(request.viewer), pk=pk)
    services.remove_member(viewer=request.viewer, membership=member, now=market_now())
    messages.success(request, _("%(member)s is no longer a member.") % {"member": member.user})
    return redirect("accounts:team")


@with_organisation
@require_safe
def tokens(request: PageRequest, organisation: Organisation) -> HttpResponse:
    return _tokens(request, organisation, TokenForm())


def _tokens(
    request: PageRequest,
    organisation: Organisation,
    form: TokenForm,
    created: ApiToken | None = None,
    secret: str = "",
) -> HttpResponse:
    found = tokens_for(request.viewer).filter(organisation=organisation).order_by("-pk")
    context = {
        "tokens": [(token, [Scope(scope).label for scope in token.scopes]) for token in found],
        "may_administer": request.viewer.may(Capability.ADMINISTER, organisation.pk),
        "form": form,
        "created": created,
        "secret": secret,
        "wall_now": datetime.now(UTC),
    }
    return render(request, "accounts/tokens.html", context, status=_status(form))


@never_cache
@with_organisation
@require_POST
def new_token(request: PageRequest, organisation: Organisation) -> HttpResponse:
    """Answers with the page itself: after a redirect the secret would have to be kept somewhere."""
    request.viewer.require(Capability.ADMINISTER, organisation.pk)
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _tokens(request, organisation, form)
    lifetime = form.lifetime()
    token, secret = services.create_token(
        viewer=request.viewer,
        organisation=organisation,
        name=form.cleaned_data["name"],
        scopes=form.cleaned_data["scopes"],
        expires_at=datetime.now(UTC) + lifetime if lifetime else None,
        now=market_now(),
    )
    return _tokens(request, organisation, TokenForm(), token, secret)


@login_required
@require_POST
def revoke_token(request: PageRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(tokens_for(request.viewer), pk=pk)
    services.revoke_token(viewer=request.viewer, token=token, now=market_now())
    messages.success(request, _("“%(token)s” does not work any more.") % {"token": token.name})
    return redirect("accounts:tokens")


@login_required
@require_safe
def audit_chain(request: PageRequest) -> HttpResponse:
    """Who did what, newest first, each with its link; and how far the chain reaches."""
    events = audit_events_for(request.viewer).order_by("-pk")
    before = id_in(request.GET.get("before", ""))
    if before is not None:
        events = events.filter(pk__lt=before)
    # No page numbers: counting every event would take longer than reading a page of them.
    found = list(events[: EVENTS_A_PAGE + 1])
    context = {
        "events": found[:EVENTS_A_PAGE],
        "older": found[EVENTS_A_PAGE - 1].pk if len(found) > EVENTS_A_PAGE else None,
        "chain": chain_state(),
    }
    return render(request, "accounts/audit_chain.html", context)


def _status(form: Form) -> int:
    return 422 if form.is_bound and form.errors else 200
