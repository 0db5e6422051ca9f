from __future__ import annotations

from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from django_prometheus.exports import ExportToDjangoView


@staff_member_required(login_url="login")
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' figures of this process, for staff only."""
    response: HttpResponse = ExportToDjangoView(request)
    return response
