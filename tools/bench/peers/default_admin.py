"""Django's default admin for a model: an exact count, pages by OFFSET, search by `icontains`."""

from __future__ import annotations

from typing import Any


def changelist(user: Any, query: str) -> str:
    from django.contrib.admin import AdminSite, ModelAdmin
    from django.test import RequestFactory

    from sessions_app.models import AgentSession

    class Default(ModelAdmin):  # type: ignore[type-arg]
        list_display = ("id", "agent_type", "user_id", "state", "last_heartbeat", "created_at")
        list_filter = ("state",)
        search_fields = ("id", "user_id", "agent_type")
        list_per_page = 50

    request = RequestFactory(headers={"host": "localhost"}).get(f"/admin/?{query}")
    request.user = user
    response = Default(AgentSession, AdminSite()).changelist_view(request)
    return str(response.render().content.decode())  # type: ignore[attr-defined]
