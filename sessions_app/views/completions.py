"""Completions for the search box."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET

from ..decorators import viewers_only
from ..permissions import access
from ..selectors.suggestions import suggest


@viewers_only
@require_GET
def completions(request: HttpRequest) -> HttpResponse:
    found = suggest(request.GET.get("word", ""), access(request))
    return JsonResponse({"suggestions": [suggestion.as_json() for suggestion in found]})
