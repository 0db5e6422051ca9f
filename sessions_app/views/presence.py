"""Receives heartbeats of open pages; answers who else has the session open."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from .. import presence
from ..bidi import isolated
from ..choices import verb_of_noun
from ..decorators import viewers_only
from ..forms import PresenceForm
from ..permissions import access
from ..selectors import session
from ..templatetags.sessions import initials


@viewers_only
@require_POST
def present(request: HttpRequest, id: UUID) -> HttpResponse:
    if not session.is_visible(id, access(request)):
        raise Http404
    name, said = request.user.get_username(), PresenceForm.read(request.POST)
    if said["gone"]:
        presence.gone(id, name)
        return HttpResponse(status=204)
    others = presence.here(id, name, said["doing"] or "")
    people = [
        {"initials": initials(one.name), "words": _words(one), "acting": bool(one.doing)}
        for one in others
    ]
    return JsonResponse({"people": people})


def _words(one: presence.Present) -> str:
    verb = verb_of_noun(one.doing)
    if verb is None:
        return _("%(name)s is looking at this session too") % {"name": isolated(one.name)}
    return _("%(name)s has a dialog open: %(verb)s") % {
        "name": isolated(one.name),
        "verb": verb.label,
    }
