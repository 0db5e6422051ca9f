"""Sessions in Django's admin: the same verbs as on the pages, through the same function."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from agent_sessions import SessionError

from . import (
    admin_tokens,  # noqa: F401 - registers itself
)
from .accounts import admin as accounts_admin  # noqa: F401 - registers itself
from .actions import explain, perform
from .admin_drafts import ORDERS, KeepsDrafts, user_of
from .admin_forms import AdminOrderForm, SessionForm, checkpoint_for
from .bidi import isolated
from .checkpoint_words import checkpoint_text
from .choices import VERBS, Verb
from .drafts import drafts
from .models import AgentSession, Checkpoint
from .permissions import access
from .querysets import SessionQuerySet

if TYPE_CHECKING:
    AnyPaginator = Paginator[Any]
    ModelForm = forms.ModelForm[AgentSession]
    ModelAdmin = admin.ModelAdmin[AgentSession]
else:
    AnyPaginator, ModelForm, ModelAdmin = Paginator, forms.ModelForm, admin.ModelAdmin

COUNTED_AT_MOST = 10_000


class CappedPaginator(AnyPaginator):
    """Pages the newest 10,000 rows only: with a million, an exact count or the last page takes seconds."""

    @cached_property
    def count(self) -> int:
        found = cast("QuerySet[AgentSession]", self.object_list).order_by()
        return found.values("pk")[:COUNTED_AT_MOST].count()


def moment(at: datetime | None) -> str:
    """To the second: heartbeats come every ten seconds, so minutes would seem to stand still."""
    return f"{date_format(at := localtime(at), 'SHORT_DATE_FORMAT')} {at:%H:%M:%S}" if at else "–"


def admin_action(verb: Verb) -> Callable[..., None]:
    def act(
        modeladmin: SessionAdmin, request: HttpRequest, queryset: QuerySet[AgentSession]
    ) -> None:
        done = failed = 0
        for session in queryset:
            try:
                extra = checkpoint_for(verb.name, session.pk, request.POST.get("checkpoint", ""))
                perform(
                    verb.name,
                    session.pk,
                    actor=request.user.get_username(),
                    reason=request.POST.get("reason", ""),
                    source="admin",
                    **extra,
                )
                done += 1
            except SessionError as error:
                failed += 1
                modeladmin.message_user(request, f"{session}: {explain(error)}", messages.ERROR)
        if failed:
            drafts.keep_sent(request)
        elif done:
            drafts.forget(user_of(request), ORDERS)
        if done:
            text = ngettext("%d session: ordered.", "%d sessions: ordered.", done) % done
            modeladmin.message_user(request, text, messages.SUCCESS)

    act.__name__ = f"{verb.name}_sessions"
    act.short_description = verb.label  # type: ignore[attr-defined]
    return act


@admin.register(AgentSession)
class SessionAdmin(KeepsDrafts):
    form = SessionForm
    action_form = AdminOrderForm
    actions = [admin_action(verb) for verb in VERBS.values()]
    list_display = (
        "short_id", "agent_type", "user", "shown_state", "heartbeat", "started", "order",
    )  # fmt: skip
    list_filter = ("state",)
    search_fields = ("id", "user_id", "agent_type")
    search_help_text = gettext_lazy("A whole id, user or agent type")
    ordering = ("-created_at", "-id")
    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50
    readonly_fields = (
        "id", "agent_type", "user_id", "state", "version", "created_at", "updated_at", "last_heartbeat",
        "last_progress", "ended_at", "order", "refused_writes", "checkpoint_names",
    )  # fmt: skip
    facts = (None, {"fields": readonly_fields})
    content = (gettext_lazy("Content"), {"fields": ("context", "metadata", "conflicts")})
    orders = (
        gettext_lazy("Order"),
        {"fields": ("verb", "checkpoint", "reason", "seen_version", "request_id")},
    )

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """The orders that this user may give."""
        permitted = {f"{verb.name}_sessions" for verb in access(request).verbs}
        found = super().get_actions(request)
        return {name: action for name, action in found.items() if name in permitted}

    def get_fieldsets(self, request: HttpRequest, obj: AgentSession | None = None) -> Any:
        content = [self.content] if access(request).sees_content else []
        return [self.facts, *content, self.orders]

    def get_readonly_fields(self, request: HttpRequest, obj: AgentSession | None = None) -> Any:
        if access(request).may_edit:
            return self.readonly_fields
        return (*self.readonly_fields, "context", "metadata")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only the filter of the list: Django would search any field, contents letter by letter."""
        return lookup.partition("__")[0] in self.list_filter

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        known = {
            "actor": request.user.get_username(),
            "permitted": access(request).verbs,
        }
        return type(form.__name__, (form,), known)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AgentSession]:
        """Never reads checkpoints; a list reads no context or metadata either, as it does not show them."""
        sessions = super().get_queryset(request).defer("checkpoints", "their_copies")
        sessions = cast("SessionQuerySet[AgentSession]", sessions).visible_to(access(request))
        match = request.resolver_match
        is_list = match is not None and str(match.url_name).endswith("_changelist")
        return sessions.defer("context", "metadata", "change_detail") if is_list else sessions

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AgentSession], search_term: str
    ) -> tuple[QuerySet[AgentSession], bool]:
        """Exact matches, which indexes can answer."""
        wanted = search_term.strip().replace("\x00", "")
        if not wanted:
            return queryset, False
        try:
            return queryset.filter(id=uuid.UUID(wanted)), False
        except ValueError:
            return queryset.filter(Q(user_id=wanted) | Q(agent_type=wanted)), False

    @admin.display(description=gettext_lazy("id"), ordering="id")
    def short_id(self, session: AgentSession) -> str:
        return str(session.pk)[:8]

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def shown_state(self, session: AgentSession) -> str:
        label = session.get_state_display()
        return format_html('<span class="state {}">{}</span>', session.state, label)

    # not sortable: its index only supports look-ups
    @admin.display(description=gettext_lazy("user"))
    def user(self, session: AgentSession) -> str:
        return isolated(session.user_id) or "–"

    @admin.display(description=gettext_lazy("heartbeat"))  # not sortable: heartbeats have no index
    def heartbeat(self, session: AgentSession) -> str:
        return moment(session.last_heartbeat)

    @admin.display(description=gettext_lazy("started"), ordering="created_at")
    def started(self, session: AgentSession) -> str:
        return moment(session.created_at)

    @admin.display(description=gettext_lazy("order"))
    def order(self, session: AgentSession) -> str:
        if not session.order_verb:
            return "–"
        known = VERBS.get(session.order_verb)
        verb = known.label if known else isolated(session.order_verb)
        if session.order_version > session.acknowledged_version:
            return _("%(verb)s by %(actor)s, not yet confirmed") % {
                "verb": verb, "actor": isolated(session.order_actor or "?"),
            }  # fmt: skip
        return _("%(verb)s by %(actor)s, confirmed") % {
            "verb": verb, "actor": isolated(session.order_actor or "?"),
        }  # fmt: skip

    @admin.display(description=gettext_lazy("newest checkpoints"))
    def checkpoint_names(self, session: AgentSession) -> str:
        newest = Checkpoint.objects.of(session.pk).newest_first()[:10]
        return ", ".join(f"{c.n} {checkpoint_text(c.name)}" for c in newest) or "–"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AgentSession | None = None) -> bool:
        """Always false: deleting is an order, and rows are not removed here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: AgentSession | None = None) -> bool:
        return access(request).may_act

    def has_view_permission(self, request: HttpRequest, obj: AgentSession | None = None) -> bool:
        return access(request).sees_sessions

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)
