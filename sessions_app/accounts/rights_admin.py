"""Accounts and groups in Django's admin, with permissions and groups in the reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import ManyToManyField
from django.http import HttpRequest

from .permission_labels import group_word, right_word

if TYPE_CHECKING:
    PermissionsChoice = forms.ModelMultipleChoiceField[Permission]
    GroupsChoice = forms.ModelMultipleChoiceField[Group]
    AccountsBase = UserAdmin[User]
else:
    PermissionsChoice = GroupsChoice = forms.ModelMultipleChoiceField
    AccountsBase = UserAdmin

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


@admin.register(User)
class AccountAdmin(AccountsBase):
    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        return super().formfield_for_manytomany(db_field, request, **in_words(db_field, kwargs))


@admin.register(Group)
class RightsGroupAdmin(GroupAdmin):
    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: Any = None, **kwargs: Any
    ) -> Any:
        return super().formfield_for_manytomany(db_field, request, **in_words(db_field, kwargs))
