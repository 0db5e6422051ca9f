"""Addresses below one session: page, parts, past, comparison, edit."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from .views import compare, edit, json_parts, orders, presence, session


class Part(StringConverter):
    regex = "context|metadata"


register_converter(Part, "part")

urlpatterns = [
    path("<uuid:id>/", session.session, name="session"),
    path("<uuid:id>/panels/", session.panels, name="session-panels"),
    path("<uuid:id>/conversation/", session.conversation, name="session-conversation"),
    path("<uuid:id>/at/", session.at, name="session-at"),
    path("<uuid:id>/timeline/", session.timeline, name="session-timeline"),
    path("<uuid:id>/<part:part>/", json_parts.context, name="session-context"),
    path("<uuid:id>/presence/", presence.present, name="presence"),
    path("<uuid:id>/compare/", compare.compare, name="compare"),
    path("<uuid:id>/edits/new/", edit.edit, name="edit"),
    path("<uuid:id>/rollbacks/new/", orders.rollback, name="rollback"),
    path("<uuid:id>/<slug:noun>/", orders.order, name="order"),
]
