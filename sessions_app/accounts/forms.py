"""Log-in forms, which say when further attempts are refused."""

from __future__ import annotations

import math

from django.contrib import messages
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView as LoginViewBase
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..auth_backends import refused_for


class LimitedLoginForm(AuthenticationForm):
    def get_invalid_login_error(self) -> ValidationError:
        left = refused_for(self.request)
        if left is None:
            return super().get_invalid_login_error()
        minutes = math.ceil(left.total_seconds() / 60)
        text = ngettext(
            "Too many attempts. Please try again in %(minutes)d minute.",
            "Too many attempts. Please try again in %(minutes)d minutes.",
            minutes,
        )
        return ValidationError(text % {"minutes": minutes}, code="too_many_attempts")


class AdminLoginForm(LimitedLoginForm, AdminAuthenticationForm):
    """For staff only."""


class LoginView(LoginViewBase):
    form_class = LimitedLoginForm
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        if self.request.GET.get("draft") == "kept":
            text = _("Nothing was done yet: what you wrote is in its form again. Please send it.")
            messages.warning(self.request, text)
        return super().form_valid(form)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_invalid(form)
        left = refused_for(self.request)
        if left is not None:
            response.status_code = 429
            response["Retry-After"] = str(math.ceil(left.total_seconds()))
        return response
