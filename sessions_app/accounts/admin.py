"""Log-ins in Django's admin: accounts of the identity provider, and failed passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from . import rights_admin  # noqa: F401 - registers itself
from .admin_access import OfAnAccount
from .models import LoginAttempts, ProviderIdentity

if TYPE_CHECKING:
    IdentityBase = admin.ModelAdmin[ProviderIdentity]
    AttemptsBase = admin.ModelAdmin[LoginAttempts]
else:
    IdentityBase = AttemptsBase = admin.ModelAdmin


@admin.register(ProviderIdentity)
class IdentityAdmin(OfAnAccount, IdentityBase):
    """Links an existing account to a person of the provider; there is no other way.

    Whoever makes such a link can log in as that account.
    """

    list_display = ("user", "issuer", "subject", "created_at")
    search_fields = ("user__username", "subject")
    raw_id_fields = ("user",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(LoginAttempts)
class AttemptsAdmin(AttemptsBase):
    """Deleting an entry unblocks the account or the address."""

    list_display = ("kind", "name", "tries", "since", "last_at")
    list_filter = ("kind",)
    search_fields = ("name",)
    ordering = ("-last_at",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: LoginAttempts | None = None) -> bool:
        return False
