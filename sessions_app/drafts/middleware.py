"""Stores the text of a form that was sent without a log-in, or whose request failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.csrf import csrf_failure as without_draft

from agent_sessions import StorageUnavailable

from . import signed_fields
from .drafts import keep_sent

AWAY = (DatabaseError, InterfaceError, StorageUnavailable)


class DraftsMiddleware:
    """Needs `request.user`.

    A form takes effect only for its author; sent by others, its text is stored as a draft of the author.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        form = _sent_form(request)
        if form is None or form.author != request.user.pk:
            return response
        if isinstance(response, HttpResponseRedirect):
            return _redirected(request, response)
        return response

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        form = _sent_form(request)
        if form is None or form.author == request.user.pk:
            return None
        if not request.user.is_authenticated:
            return _keep_for_log_in(request, form)
        return render(request, "409_draft.html", {"kept": keep_sent(request)}, status=409)

    def process_exception(self, request: HttpRequest, error: Exception) -> None:
        if not isinstance(error, AWAY):
            _note_kept(request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Stores the draft: logging in again invalidates the CSRF token of every open form.

    Without any cookie there is neither token nor log-in, and only logging in helps.
    """
    form = _sent_form(request)
    if form is not None and not request.user.is_authenticated:
        return _keep_for_log_in(request, form)
    _note_kept(request)
    return without_draft(request, reason)


def _keep_for_log_in(request: HttpRequest, form: signed_fields.DraftForm) -> HttpResponse:
    query = urlencode({"next": form.at, "draft": "kept" if keep_sent(request) else "lost"})
    return HttpResponseRedirect(f"{reverse('login')}?{query}")


def _redirected(request: HttpRequest, response: HttpResponseRedirect) -> HttpResponse:
    """Answers scripts with JSON: following the redirect would consume the page's messages."""
    if "/login/" in response.url:  # the account lost its permission for the page
        keep_sent(request)
    if request.headers.get("X-Requested-With") == "draft":
        return JsonResponse({"href": response.url})
    return response


def _note_kept(request: HttpRequest) -> None:
    """Stores the draft for the error page, which links back to the form."""
    form = _sent_form(request)
    if form is not None and keep_sent(request):
        request.draft_kept_at = form.at  # type: ignore[attr-defined]


def _sent_form(request: HttpRequest) -> signed_fields.DraftForm | None:
    if request.method != "POST" or request.path_info.startswith("/api/"):
        return None
    return signed_fields.read(request.POST.get(signed_fields.FIELD, ""))
