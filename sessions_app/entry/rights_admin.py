"""Accounts and groups of Django's own administration, with rights and groups in the reader's words."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import ManyToManyField
from django.http import HttpRequest

from .rights import group_word, right_word

admin.site.unregister(User)
admin.site.unregister(Group)


class RightsField(forms.ModelMultipleChoiceField):
    def label_from_instance(self, right: Permission) -> str:
        return right_word(right)


class GroupsField(forms.ModelMultipleChoiceField):
    def label_from_instance(self, group: Group) -> str:
        return group_word(group)


FIELDS: dict[type, type[forms.ModelMultipleChoiceField]] = {
    Permission: RightsField,
    Group: GroupsField,
}


class InWords:
    """Mixed into an admin of something that has rights or groups."""

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        if (field := FIELDS.get(db_field.related_model)) is not None:
            kwargs["form_class"] = field
        return super().formfield_for_manytomany(db_field, request, **kwargs)  # type: ignore[misc]


@admin.register(User)
class AccountAdmin(InWords, UserAdmin):
    pass


@admin.register(Group)
class RightsGroupAdmin(InWords, GroupAdmin):
    pass
