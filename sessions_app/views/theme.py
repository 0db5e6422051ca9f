"""Stores the browser's theme in a cookie."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_POST

from ..forms import ThemeForm
from .redirects import back

A_YEAR = 365 * 24 * 3600


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    response = HttpResponseRedirect(back(request))
    chosen = ThemeForm.read(request.POST)["theme"]
    if chosen:
        response.set_cookie(
            settings.THEME_COOKIE_NAME,
            chosen,
            max_age=A_YEAR,
            path=settings.SESSION_COOKIE_PATH,
            samesite="Lax",
        )
    return response
