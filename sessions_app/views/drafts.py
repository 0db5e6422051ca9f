"""Stores the current text of a form, which shows it when it is opened again."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from ..decorators import viewers_only
from ..drafts.drafts import keep_sent


@viewers_only
@require_POST
def keep(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204 if keep_sent(request) else 422)
