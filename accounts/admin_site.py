"""Django's admin, for operators only. People sign in where everybody does, second factor included."""

from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from accounts.models import User


class OperatorAdminSite(AdminSite):
    site_header = site_title = _("Cardhour operations")

    def has_permission(self, request: HttpRequest) -> bool:
        user = request.user
        is_operator = isinstance(user, User) and user.platform_role == User.PlatformRole.OPERATOR
        return is_operator and super().has_permission(request)

    def login(self, request: HttpRequest, extra_context: object = None) -> HttpResponse:  # noqa: ARG002
        if request.user.is_authenticated:
            raise Http404
        return redirect_to_login(request.GET.get("next", request.get_full_path()))
