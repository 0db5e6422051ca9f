"""The banner on every page while the watchdog receives no heartbeats, or recently did not."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from ..decorators import viewers_only
from ..selectors.watchdog_status import read_watchdog_status

SAID_FOR = timedelta(minutes=15)


@viewers_only
@require_GET
def watch(request: HttpRequest) -> HttpResponse:
    found = read_watchdog_status(since=SAID_FOR, most=3)
    past = [gap for gap in found.blind if gap.ended_at is not None]
    return render(request, "sessions/_watch.html", {"watch": found, "past": past})
