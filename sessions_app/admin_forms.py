"""Forms of a session in Django's admin."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib.admin.helpers import ActionForm
from django.forms.fields import InvalidJSONInput
from django.forms.utils import ErrorDict
from django.http import QueryDict
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agent_sessions import (
    CheckpointNotFound,
    EditConflict,
    EditPreview,
    InvalidInput,
    SessionError,
)

from . import json_input
from .actions import explain, perform
from .choices import VERBS, Verb
from .conflicts import FIELD, ConflictRow, decided, read_rows, rows_of
from .models import AgentSession, Checkpoint
from .numbers import whole

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[AgentSession]
else:
    ModelForm = forms.ModelForm


class AdminOrderForm(ActionForm):
    reason = forms.CharField(label=gettext_lazy("Reason"), required=False, max_length=2000)
    checkpoint = forms.CharField(
        label=gettext_lazy("Checkpoint (to roll back to)"), required=False, max_length=200
    )


class ObjectField(forms.JSONField):
    """Accepts an empty object; an empty field is an error."""

    empty_values = [None, ""]

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value:
            try:
                return json_input.read(value)
            except InvalidInput as error:
                raise forms.ValidationError(str(error)) from None
        return super().to_python(value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Shows invalid text again as it was typed."""
        try:
            return self.to_python(data)
        except forms.ValidationError:
            return InvalidJSONInput(data)

    def prepare_value(self, value: Any) -> Any:
        """Shows typed text again; one with half a character, which UTF-8 cannot encode, as JSON."""
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


class ConflictsWidget(forms.Widget):
    """Paths that others changed too, side by side, each with a decision."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        shown = {"rows": value or [], "now": timezone.now()}
        return render_to_string("sessions/_conflicts.html", shown)

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[ConflictRow]:
        return read_rows(data)


class ConflictsField(forms.Field):
    """Visible only if there are conflicts."""

    widget = ConflictsWidget

    def show(self, rows: list[ConflictRow]) -> None:
        cast(Any, self.widget).input_type = None if rows else "hidden"

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class SessionForm(ModelForm):
    """Saves through the manager during validation, so that a refusal keeps the input."""

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
    conflicts = ConflictsField(label=gettext_lazy("Changed by both"), required=False)
    actor: str
    permitted: Sequence[Verb] = ()

    class Meta:
        model = AgentSession
        fields = ("context", "metadata")
        field_classes = {"context": ObjectField, "metadata": ObjectField}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in {"context", "metadata"} & self.fields.keys():
            self.fields[name].required = True
            # Compared with what was shown: the agent's changes meanwhile are not the person's.
            self.fields[name].show_hidden_initial = True
        # A form that was sent may name any permitted verb: the manager refuses those impossible by now.
        possible = [v for v in self.permitted if self.is_bound or self.instance.state in v.states]
        self.fields["verb"].choices = [  # type: ignore[attr-defined]
            ("", _("none")),
            *((v.name, v.label) for v in possible),
        ]
        cast(ConflictsField, self.fields["conflicts"]).show(
            read_rows(cast(QueryDict, self.data)) if self.is_bound else []
        )
        self.fields["seen_version"].initial = self.instance.version
        self.fields["request_id"].initial = uuid.uuid4()

    def fill_with(self, sent: QueryDict) -> None:
        """Fills the form from a draft, without validating it."""
        # the text may differ from that sent under the old id
        sent["request_id"] = str(uuid.uuid4())
        self.data, self.is_bound, self._errors = sent, True, ErrorDict()
        cast(ConflictsField, self.fields["conflicts"]).show(read_rows(sent))

    def is_multipart(self) -> bool:
        """URL encoding would make a context of 4 MiB three to six times as long."""
        return True

    def _get_validation_exclusions(self) -> set[str]:
        """The manager validates; the model would refuse empty objects."""
        return {*super()._get_validation_exclusions(), "context", "metadata"}  # type: ignore[misc]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if cleaned is not None and not self.errors:
            try:
                self._perform(cleaned)
            except EditConflict as error:
                self.add_error(None, explain(error))
                self._show_conflicts(error.preview)
            except SessionError as error:
                self.add_error(None, explain(error))
        return cleaned

    def _show_conflicts(self, preview: EditPreview) -> None:
        """Merges the edit into the current value; the person decides each path that both changed."""
        if not preview.loaded_known:
            return
        shown = cast(QueryDict, self.data).copy()
        for merged in preview.parts:
            initial = self[merged.part].html_initial_name
            shown[self.add_prefix(merged.part)] = json.dumps(merged.mine, ensure_ascii=False)
            shown[initial] = json.dumps(merged.now, ensure_ascii=False)
        shown["seen_version"] = str(preview.session.version)
        shown["request_id"] = str(uuid.uuid4())
        rows = rows_of(preview.conflicts)
        shown.setlist(FIELD, [row.hidden for row in rows])
        for row in rows:
            shown.pop(row.choice_name, None)
        cast(ConflictsField, self.fields["conflicts"]).show(rows)
        self.data = shown

    def _perform(self, cleaned: dict[str, Any]) -> None:
        who = {"actor": self.actor, "reason": cleaned["reason"], "source": "admin"}
        seen, request_id = cleaned["seen_version"], cleaned["request_id"]
        session_id = self.instance.pk
        changed = [name for name in ("context", "metadata") if name in self.changed_data]
        if changed:
            edit_id = uuid.uuid5(request_id, "edit")
            loaded = {name: self._loaded(name) for name in changed}
            edited: dict[str, Any] = {
                name: decided(name, cleaned[name], loaded[name], cleaned["conflicts"])
                for name in changed
            }
            if "metadata" in loaded:
                edited["seen_metadata"] = loaded["metadata"]
            perform("edit", session_id, seen_version=seen, request_id=edit_id, **who, **edited)
        verb = cleaned["verb"]
        if verb:
            extra = checkpoint_for(verb, session_id, cleaned["checkpoint"])
            perform(verb, session_id, seen_version=seen, request_id=request_id, **who, **extra)

    def _loaded(self, name: str) -> Any:
        """The value with which the form was filled, sent back with it."""
        bound = self[name]
        hidden = bound.field.hidden_widget().value_from_datadict(
            self.data, self.files, bound.html_initial_name
        )
        return bound.field.clean(hidden)

    def save(self, commit: bool = True) -> AgentSession:
        """Stores nothing: the manager has done so during validation."""
        return AgentSession.objects.get(pk=self.instance.pk)

    def save_m2m(self) -> None:
        """Does nothing: there are no many-to-many fields."""


def checkpoint_for(verb: str, session_id: uuid.UUID, wanted: str) -> dict[str, Any]:
    """For a verb that needs one: the checkpoint by number or name. Raises CheckpointNotFound for an unknown name."""
    if not VERBS[verb].needs_checkpoint:
        return {}
    n = whole(wanted)
    if n is not None:
        return {"checkpoint_id": n}
    found = Checkpoint.objects.of(session_id).filter(name=wanted).newest_first().first()
    if found is None:
        raise CheckpointNotFound(wanted)
    return {"checkpoint_id": found.n}
