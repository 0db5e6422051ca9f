"""A page says what somebody has written so far; whoever comes back to the form finds it there."""

from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from agent_sessions import InvalidInput

from ..drafts import drafts
from .access import viewers_only

NOT_KEPT = ("csrfmiddlewaretoken", "draft")


@viewers_only
@require_POST
def keep(request: HttpRequest) -> HttpResponse:
    fields = {
        name: [str(text) for text in texts]
        for name, texts in request.POST.lists()
        if name not in NOT_KEPT
    }
    try:
        drafts.keep(cast(User, request.user), request.POST.get("draft", ""), fields)
    except InvalidInput:
        return HttpResponse(status=422)
    return HttpResponse(status=204)
