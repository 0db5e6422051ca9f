"""The theme that a browser shows, in a cookie; and the way back to the page a form came from."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from ..forms import ThemeForm

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


def back(request: HttpRequest, otherwise: str = "") -> str:
    """The page the form was on, if it is one of ours."""
    wanted = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if ours else otherwise or reverse("sessions")
