"""Admin forms with drafts of unsent text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.forms.widgets import Script
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from .admin_forms import SessionForm
from .drafts import drafts
from .models import AgentSession

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[AgentSession]
else:
    ModelAdmin = admin.ModelAdmin

ORDERS = "admin:orders"
WRITTEN = ("reason", "checkpoint")


def name_of(session: AgentSession) -> str:
    return f"admin:session:{session.pk}"


def user_of(request: HttpRequest) -> User:
    return cast(User, request.user)


class KeepsDrafts(ModelAdmin):
    """Keeps drafts of orders to the ticked sessions, and of the form of one session."""

    @property
    def media(self) -> forms.Media:
        scripts: Any = [Script(reverse("jsi18n")), Script("js/drafts.js", type="module")]
        return super().media + forms.Media(js=scripts)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        more = {"draft_name": ORDERS, "draft_at": request.get_full_path()}
        response = super().changelist_view(request, {**(extra_context or {}), **more})
        shown = getattr(response, "context_data", None) or {}
        if action_form := shown.get("action_form"):
            sent = drafts.find(user_of(request), ORDERS)
            shown["begun"] = sent is not None
            action_form.initial = {name: sent.get(name, "") for name in WRITTEN} if sent else {}
        return response

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        form, session = context["adminform"].form, context["original"]
        if isinstance(form, SessionForm) and self.has_change_permission(request, session):
            context |= {"draft_name": name_of(session), "draft_at": request.get_full_path()}
            sent = None if form.is_bound else drafts.find(user_of(request), name_of(session))
            if sent is not None:
                form.fill_with(sent)
                context["begun"] = True
        return cast(TemplateResponse, super().render_change_form(request, context, *args, **kwargs))

    def response_change(self, request: HttpRequest, obj: AgentSession) -> HttpResponse:
        drafts.forget(user_of(request), name_of(obj))
        return super().response_change(request, obj)
