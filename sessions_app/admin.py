"""The sessions in Django's admin: the same verbs as on the pages, through the same function."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from agent_sessions import CheckpointNotFound, SessionError

from . import admin_tokens  # noqa: F401 - registers itself
from .actions import VERBS, explain, perform
from .models import AgentSession, Checkpoint
from .rights import OPERATE, VIEW

if TYPE_CHECKING:
    AnyPaginator = Paginator[Any]
    ModelForm = forms.ModelForm[AgentSession]
    ModelAdmin = admin.ModelAdmin[AgentSession]
else:
    AnyPaginator, ModelForm, ModelAdmin = Paginator, forms.ModelForm, admin.ModelAdmin

COUNTED_AT_MOST = 10_000
VERBS_WITHOUT_MORE = ("pause", "resume", "complete", "fail", "delete", "restore")


class CappedPaginator(AnyPaginator):
    """At a million rows an exact count and a page at its end cost seconds: the newest 10,000 are paged."""

    @cached_property
    def count(self) -> int:
        found = cast("QuerySet[AgentSession]", self.object_list).order_by()
        return found.values("pk")[:COUNTED_AT_MOST].count()


class OrderForm(ActionForm):
    reason = forms.CharField(label=gettext_lazy("Reason"), required=False, max_length=2000)
    checkpoint = forms.CharField(
        label=gettext_lazy("Checkpoint (to roll back to)"), required=False, max_length=200
    )


class ObjectField(forms.JSONField):
    """An empty object is a value like any other; nothing at all is none."""

    empty_values = [None, ""]

    def prepare_value(self, value: Any) -> Any:
        """What was typed is shown again, half a character too."""
        text = super().prepare_value(value)
        try:
            str(text).encode()
        except UnicodeEncodeError:
            return json.dumps(value)
        return text

    def validate(self, value: Any) -> None:
        super().validate(value)
        if not isinstance(value, dict):
            raise forms.ValidationError(_('A JSON object is needed, such as {"class": "7b"}.'))


class SessionForm(ModelForm):
    """Saving goes through the manager while the form is still on the screen: a refusal loses no input."""

    verb = forms.ChoiceField(label=gettext_lazy("Action"), required=False)
    checkpoint = forms.CharField(
        label=gettext_lazy("Checkpoint (to roll back to)"),
        help_text=gettext_lazy("Its number or its name; of several with one name the newest."),
        required=False,
        max_length=200,
    )
    reason = forms.CharField(label=gettext_lazy("Reason"), required=False, max_length=2000)
    seen_version = forms.IntegerField(widget=forms.HiddenInput)
    request_id = forms.UUIDField(widget=forms.HiddenInput)
    actor: str

    class Meta:
        model = AgentSession
        fields = ("context", "metadata")
        field_classes = {"context": ObjectField, "metadata": ObjectField}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in {"context", "metadata"} & self.fields.keys():
            self.fields[name].required = True
            # Changed is what differs from what was shown: an agent's own changes meanwhile are not the person's.
            self.fields[name].show_hidden_initial = True
        # A form that comes back is judged by the manager, which knows what happened meanwhile.
        possible = [v for v in VERBS.values() if self.is_bound or self.instance.state in v.states]
        self.fields["verb"].choices = [  # type: ignore[attr-defined]
            ("", _("none")),
            *((v.name, v.label) for v in possible if v.name != "edit"),
        ]
        self.fields["seen_version"].initial = self.instance.version
        self.fields["request_id"].initial = uuid.uuid4()

    def _get_validation_exclusions(self) -> set[str]:
        """The manager says what can be stored; the model would refuse empty objects."""
        return {*super()._get_validation_exclusions(), "context", "metadata"}  # type: ignore[misc]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if cleaned is not None and not self.errors:
            try:
                self._perform(cleaned)
            except SessionError as error:
                self.add_error(None, explain(error))
        return cleaned

    def _perform(self, cleaned: dict[str, Any]) -> None:
        who = {"actor": self.actor, "reason": cleaned["reason"], "source": "admin"}
        seen, request_id = cleaned["seen_version"], cleaned["request_id"]
        session_id = self.instance.pk
        edited = {
            name: cleaned[name] for name in ("context", "metadata") if name in self.changed_data
        }
        if edited:
            edit_id = uuid.uuid5(request_id, "edit")
            perform("edit", session_id, seen_version=seen, request_id=edit_id, **who, **edited)
        verb = cleaned["verb"]
        if verb:
            extra = checkpoint_for(verb, session_id, cleaned["checkpoint"])
            perform(verb, session_id, seen_version=seen, request_id=request_id, **who, **extra)

    def save(self, commit: bool = True) -> AgentSession:
        """It is stored already, by the manager."""
        return AgentSession.objects.get(pk=self.instance.pk)

    def save_m2m(self) -> None:
        """There is none."""


def checkpoint_for(verb: str, session_id: uuid.UUID, wanted: str) -> dict[str, Any]:
    """The checkpoint a person named, by number or name. Raises CheckpointNotFound."""
    if verb != "rollback":
        return {}
    if wanted.isdigit():
        return {"checkpoint_id": int(wanted)}
    found = Checkpoint.objects.filter(session_id=session_id, name=wanted).order_by("-n").first()
    if found is None:
        raise CheckpointNotFound(wanted)
    return {"checkpoint_id": found.n}


def moment(at: datetime | None) -> str:
    """To the second: what beats every ten has a minute's column stand still."""
    return f"{date_format(at := localtime(at), 'SHORT_DATE_FORMAT')} {at:%H:%M:%S}" if at else "–"


def admin_action(verb: str) -> Callable[..., None]:
    def act(
        modeladmin: SessionAdmin, request: HttpRequest, queryset: QuerySet[AgentSession]
    ) -> None:
        done = 0
        for session in queryset:
            try:
                extra = checkpoint_for(verb, session.pk, request.POST.get("checkpoint", ""))
                perform(
                    verb,
                    session.pk,
                    actor=request.user.get_username(),
                    reason=request.POST.get("reason", ""),
                    source="admin",
                    **extra,
                )
                done += 1
            except SessionError as error:
                modeladmin.message_user(request, f"{session}: {explain(error)}", messages.ERROR)
        if done:
            text = ngettext("%d session: ordered.", "%d sessions: ordered.", done) % done
            modeladmin.message_user(request, text, messages.SUCCESS)

    act.__name__ = f"{verb}_sessions"
    act.short_description = VERBS[verb].label  # type: ignore[attr-defined]
    act.allowed_permissions = ["operate"]  # type: ignore[attr-defined]
    return act


@admin.register(AgentSession)
class SessionAdmin(ModelAdmin):
    form = SessionForm
    action_form = OrderForm
    actions = [admin_action(verb) for verb in (*VERBS_WITHOUT_MORE, "rollback")]
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
    fieldsets = (
        (None, {"fields": readonly_fields}),
        (gettext_lazy("Content"), {"fields": ("context", "metadata")}),
        (
            gettext_lazy("Order"),
            {"fields": ("verb", "checkpoint", "reason", "seen_version", "request_id")},
        ),
    )

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        return type(form.__name__, (form,), {"actor": request.user.get_username()})

    def get_queryset(self, request: HttpRequest) -> QuerySet[AgentSession]:
        """A list of fifty does not read fifty contexts."""
        sessions = super().get_queryset(request).defer("checkpoints", "their_copies")
        match = request.resolver_match
        is_list = match is not None and str(match.url_name).endswith("_changelist")
        return sessions.defer("context", "metadata", "change_detail") if is_list else sessions

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AgentSession], search_term: str
    ) -> tuple[QuerySet[AgentSession], bool]:
        """Exactly, so that the indexes answer."""
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

    @admin.display(description=gettext_lazy("user"))  # nor by this: its index is for looking up
    def user(self, session: AgentSession) -> str:
        return session.user_id or "–"

    @admin.display(description=gettext_lazy("heartbeat"))  # no index may answer an order by it
    def heartbeat(self, session: AgentSession) -> str:
        return moment(session.last_heartbeat)

    @admin.display(description=gettext_lazy("started"), ordering="created_at")
    def started(self, session: AgentSession) -> str:
        return moment(session.created_at)

    @admin.display(description=gettext_lazy("order"))
    def order(self, session: AgentSession) -> str:
        if not session.order_verb:
            return "–"
        verb = VERBS[session.order_verb].label
        if session.order_version > session.acknowledged_version:
            return _("%(verb)s by %(actor)s, not yet confirmed") % {
                "verb": verb, "actor": session.order_actor,
            }  # fmt: skip
        return _("%(verb)s by %(actor)s, confirmed") % {"verb": verb, "actor": session.order_actor}

    @admin.display(description=gettext_lazy("newest checkpoints"))
    def checkpoint_names(self, session: AgentSession) -> str:
        newest = Checkpoint.objects.filter(session_id=session.pk).order_by("-n")[:10]
        return ", ".join(f"{c.n} {c.name}" for c in newest) or "–"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AgentSession | None = None) -> bool:
        """Deleting is an order like the others; rows are not removed here."""
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"sessions_app.{OPERATE}")

    def has_change_permission(self, request: HttpRequest, obj: AgentSession | None = None) -> bool:
        return self.has_operate_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: AgentSession | None = None) -> bool:
        return request.user.has_perm(f"sessions_app.{VIEW}") or self.has_operate_permission(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)
