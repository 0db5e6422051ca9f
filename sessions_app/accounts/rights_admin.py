"""Accounts and groups in Django's admin, with permissions and groups in the reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.contrib.postgres.forms import SimpleArrayField
from django.core.exceptions import PermissionDenied
from django.db.models import ManyToManyField
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from .admin_access import ByOneRule, ForSuperusers
from .delegation import groups_to_give, is_within, permissions_to_give
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


class LimitInline(ByOneRule, InlineBase):
    model = AgentTypeLimit
    form = LimitForm
    fields = ("agent_types",)
    extra = 0
    max_num = 1


@admin.register(User)
class AccountAdmin(ByOneRule, AccountsBase):
    """A manager gives only what the manager has, and changes only accounts without more."""

    inlines = (LimitInline,)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return self.allows(request) and (obj is None or is_within(obj, request.user))

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        found = super().get_readonly_fields(request, obj)
        return found if cast(User, request.user).is_superuser else (*found, "is_superuser")

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        given = {"groups": groups_to_give, "user_permissions": permissions_to_give}
        if choices := given.get(db_field.name):
            kwargs["queryset"] = choices(request.user)
        return super().formfield_for_manytomany(db_field, request, **in_words(db_field, kwargs))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Checks what was stored, whatever the form was sent. A refusal rolls the transaction back."""
        super().save_related(request, form, formsets, change)
        if not is_within(form.instance, request.user):
            raise PermissionDenied


@admin.register(Group)
class RightsGroupAdmin(ForSuperusers, GroupAdmin):
    """For superusers, because a change of a group changes the rights of all its members."""

    inlines = (LimitInline,)

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: Any = None, **kwargs: Any
    ) -> Any:
        return super().formfield_for_manytomany(db_field, request, **in_words(db_field, kwargs))
