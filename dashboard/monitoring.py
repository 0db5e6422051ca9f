"""Middleware that answers /healthz and /metrics before host names, log-ins and redirects are checked."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from dashboard import healthz, metrics


class MonitoringMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info == "/healthz":
            return healthz.healthz()
        if request.path_info == "/metrics" and metrics.has_token(request):
            return metrics.export(request)
        return self.get_response(request)
