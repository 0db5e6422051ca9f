"""API tokens in Django's admin."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import DateTimeField
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from .accounts.admin_access import OfAnAccount
from .accounts.permission_labels import rights_text
from .models import ApiToken

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[ApiToken]
    ModelForm = forms.ModelForm[ApiToken]
else:
    ModelAdmin, ModelForm = admin.ModelAdmin, forms.ModelForm


class BrowsersDateTime(forms.DateTimeInput):
    """The browser's own input: Django's two fields lack labels, and their calendar uses inline styles."""

    input_type = "datetime-local"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs, format="%Y-%m-%dT%H:%M")


class TokenForm(ModelForm):
    """The end of a token can be changed but not removed."""

    def clean_expires_at(self) -> datetime | None:
        given: datetime | None = self.cleaned_data["expires_at"]
        before = self.instance.expires_at
        if given is None or (before and before.replace(second=0, microsecond=0) == given):
            return before  # the field shows no seconds
        return given


@admin.register(ApiToken)
class TokenAdmin(OfAnAccount, ModelAdmin):
    """`manage.py api_token` creates tokens and shows them once; here they are listed and deleted."""

    form = TokenForm
    list_display = ("name", "user", "shown_rights", "created_at", "last_used_at", "expires_at")
    formfield_overrides = {
        DateTimeField: {"form_class": forms.DateTimeField, "widget": BrowsersDateTime}
    }
    readonly_fields = ("name", "user", "shown_rights", "created_at", "last_used_at")
    fields = (*readonly_fields, "expires_at")

    @admin.display(description=gettext_lazy("rights"))
    def shown_rights(self, token: ApiToken) -> str:
        return rights_text(token.rights)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
