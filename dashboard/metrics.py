"""The view /metrics: Prometheus metrics for staff and for holders of METRICS_TOKEN."""

from __future__ import annotations

import hmac

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest, HttpResponse
from django_prometheus.exports import ExportToDjangoView
from prometheus_client import Gauge

from dashboard.healthz import states

WATCHDOG = Gauge(
    "sessions_watchdog_watches",
    "1 while some process watches over silence",
    multiprocess_mode="livemostrecent",
)


def is_staff(user: AbstractBaseUser | AnonymousUser) -> bool:
    return user.is_active and getattr(user, "is_staff", False)


def has_token(request: HttpRequest) -> bool:
    """Whether the request carries METRICS_TOKEN. If that setting is empty, no token is valid."""
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    expected: str = settings.METRICS_TOKEN
    known = hmac.compare_digest(token.strip().encode(), expected.encode())
    return bool(expected) and scheme.lower() == "bearer" and known


def export(request: HttpRequest) -> HttpResponse:
    """The metrics of this process, and whether the watchdog runs."""
    WATCHDOG.set(states.read().watchdog == "ok")
    response: HttpResponse = ExportToDjangoView(request)
    return response


def metrics(request: HttpRequest) -> HttpResponse:
    """For logged-in staff; MonitoringMiddleware handles tokens. Never redirects to the log-in page."""
    if is_staff(request.user):
        return export(request)
    if request.user.is_authenticated:
        return HttpResponse("Staff only.\n", status=403, content_type="text/plain")
    return HttpResponse(
        "Bring METRICS_TOKEN as a bearer token, or log in as staff.\n",
        status=401,
        content_type="text/plain",
        headers={"WWW-Authenticate": "Bearer"},
    )
