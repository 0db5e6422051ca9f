"""The chart's numbers as JSON."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from ..decorators import viewers_only
from ..forms import ChartForm
from ..permissions import access
from ..selectors.activity import WINDOWS, chart


@viewers_only
@require_GET
def numbers(request: HttpRequest) -> HttpResponse:
    asked = ChartForm({"minutes": "15", "by": "state", **request.GET.dict()})
    if not asked.is_valid():
        known = ", ".join(str(window) for window in WINDOWS)
        error = _("minutes must be one of %(known)s, by must be state or type.") % {"known": known}
        return JsonResponse({"error": error}, status=400)
    drawn = chart(
        asked.cleaned_data["minutes"], asked.cleaned_data["by"], timezone.now(), access(request)
    )
    series = [
        {"key": one.key, "label": str(one.label), "values": one.values} for one in drawn.series
    ]
    return JsonResponse({"slots": drawn.slots, "series": series, "beats": drawn.beats})
