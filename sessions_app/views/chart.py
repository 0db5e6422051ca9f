"""The numbers of the chart, for its script."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from ..access import viewers_only
from ..numbers import whole
from ..selectors.activity import GROUPINGS, WINDOWS, chart


@viewers_only
@require_GET
def numbers(request: HttpRequest) -> HttpResponse:
    minutes, grouping = request.GET.get("minutes", "15"), request.GET.get("by", "state")
    window = whole(minutes)
    if window is None or window not in WINDOWS or grouping not in GROUPINGS:
        known = ", ".join(str(window) for window in WINDOWS)
        error = _("minutes must be one of %(known)s, by must be state or type.") % {"known": known}
        return JsonResponse({"error": error}, status=400)
    drawn = chart(window, grouping, timezone.now())
    series = [
        {"key": one.key, "label": str(one.label), "values": one.values} for one in drawn.series
    ]
    return JsonResponse({"slots": drawn.slots, "series": series, "beats": drawn.beats})
