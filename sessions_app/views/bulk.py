"""The bulk bar: shows what would happen to the ticked sessions, asks for the reason, does it."""

import uuid
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from .. import bulk as rules
from ..bulk import MOST, Result
from ..presentation import VERBS, Verb
from .access import operators_only
from .orders import LONGEST_REASON, is_fetch
from .preferences import back


@operators_only
@require_POST
def bulk(request: HttpRequest) -> HttpResponse:
    verb = VERBS.get(request.POST.get("verb", ""))
    seen = _seen(request)
    if verb is None or verb.name == "rollback" or not seen:
        messages.warning(request, _("Nothing was selected. Tick the sessions first."))
        return HttpResponseRedirect(back(request))
    reason = request.POST.get("reason", "")[:LONGEST_REASON].strip()
    confirmed = request.POST.get("confirmed") == "yes"
    if not confirmed or (verb.reason_required and not reason):
        return _ask(request, verb, seen, missing_reason=confirmed)
    results = rules.perform(
        verb,
        {id: version for id, version in seen.items() if version is not None},
        actor=request.user.get_username(),
        reason=reason,
        request_id=_request_id(request),
    )
    return _tell(request, verb, results)


def _seen(request: HttpRequest) -> dict[UUID, int | None]:
    """`id` from the list, or `id:version` from the page that asked."""
    found: dict[UUID, int | None] = {}
    for text in request.POST.getlist("id")[:MOST]:
        id, _sep, version = text.partition(":")
        try:
            found[UUID(id)] = int(version) if version.isdecimal() else None
        except ValueError:
            continue
    return found


def _ask(
    request: HttpRequest, verb: Verb, seen: dict[UUID, int | None], *, missing_reason: bool
) -> HttpResponse:
    context = {
        "plan": rules.plan(verb, list(seen)),
        "verb": verb,
        "request_id": uuid.uuid4(),
        "next": back(request),
        "missing_reason": missing_reason,
    }
    template = "_bulk_form.html" if is_fetch(request) else "bulk.html"
    return render(request, f"sessions/{template}", context, status=422 if missing_reason else 200)


def _tell(request: HttpRequest, verb: Verb, results: list[Result]) -> HttpResponse:
    failed = [result for result in results if result.error]
    text = _summary(verb, len(results) - len(failed), failed)
    if is_fetch(request):
        ids = [str(result.id) for result in results]
        return JsonResponse({"message": text, "ids": ids, "failed": len(failed)})
    messages.add_message(request, messages.WARNING if failed else messages.SUCCESS, text)
    return HttpResponseRedirect(back(request))


def _summary(verb: Verb, done: int, failed: list[Result]) -> str:
    text = ngettext("%(verb)s: done for %(n)d session.", "%(verb)s: done for %(n)d sessions.", done)
    text %= {"verb": verb.label, "n": done}
    if not failed:
        return text
    more = ngettext("Not for %(n)d: %(why)s", "Not for %(n)d: %(why)s", len(failed))
    why = " ".join(dict.fromkeys(result.error for result in failed))
    return f"{text} {more % {'n': len(failed), 'why': why[:300]}}"


def _request_id(request: HttpRequest) -> UUID:
    try:
        return UUID(request.POST.get("request_id", ""))
    except ValueError:
        return uuid.uuid4()
