"""Accounts and groups in Django's admin, with permissions and groups in the reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.contrib.postgres.forms import SimpleArrayField
from django.db.models import ManyToManyField
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from .models import AgentTypeLimit
from .permission_labels import group_word, right_word

if TYPE_CHECKING:
    PermissionsChoice = forms.ModelMultipleChoiceField[Permission]
    GroupsChoice = forms.ModelMultipleChoiceField[Group]
    AccountsBase = UserAdmin[User]
    LimitBase = forms.ModelForm[AgentTypeLimit]
    InlineBase = admin.StackedInline[AgentTypeLimit, User]
else:
    PermissionsChoice = GroupsChoice = forms.ModelMultipleChoiceField
    AccountsBase, LimitBase, InlineBase = UserAdmin, forms.ModelForm, admin.StackedInline

admin.site.unregister(User)
admin.site.unregister(Group)


class RightsField(PermissionsChoice):
    def label_from_instance(self, obj: Permission) -> str:
        return right_word(obj)


class GroupsField(GroupsChoice):
    def label_from_instance(self, obj: Group) -> str:
        return group_word(obj)


FIELDS: dict[Any, type[RightsField | GroupsField]] = {Permission: RightsField, Group: GroupsField}


def in_words(db_field: ManyToManyField[Any, Any], given: dict[str, Any]) -> dict[str, Any]:
    field = FIELDS.get(db_field.related_model)
    return given | {"form_class": field} if field else given


class LimitForm(LimitBase):
    """Names divided by commas. The box to delete it removes the limit."""

    agent_types = SimpleArrayField(
        forms.CharField(max_length=50),
        label=gettext_lazy("Agent types"),
        help_text=gettext_lazy("Divided by commas. Only sessions of these are visible."),
    )


class LimitInline(InlineBase):
    model = AgentTypeLimit
    form = LimitForm
    fields = ("agent_types",)
    extra = 0
    max_num = 1


@admin.register(User)
class AccountAdmin(AccountsBase):
    inlines = (LimitInline,)

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        return super().formfield_for_manytomany(db_field, request, **in_words(db_field, kwargs))


@admin.register(Group)
class RightsGroupAdmin(GroupAdmin):
    inlines = (LimitInline,)

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: Any = None, **kwargs: Any
    ) -> Any:
        return super().formfield_for_manytomany(db_field, request, **in_words(db_field, kwargs))
