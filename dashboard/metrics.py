from __future__ import annotations

from django.contrib.auth.decorators import user_passes_test
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest, HttpResponse
from django_prometheus.exports import ExportToDjangoView


def is_staff(user: AbstractBaseUser | AnonymousUser) -> bool:
    return user.is_active and getattr(user, "is_staff", False)


@user_passes_test(is_staff)
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' figures of this process, for staff only."""
    response: HttpResponse = ExportToDjangoView(request)
    return response
