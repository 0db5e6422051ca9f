from django.urls import include, path
from django.views.i18n import JavaScriptCatalog

from .api.app import api
from .views import (
    bulk,
    chart,
    completions,
    conversations,
    drafts,
    listing,
    saved_views,
    theme,
    wall,
    watchdog_status,
)

urlpatterns = [
    path("", listing.sessions, name="sessions"),
    path("api/", api.urls),
    path("chart/", chart.numbers, name="chart"),
    path("bulk/", bulk.bulk, name="bulk"),
    path("bulk/matching/", bulk.matching, name="bulk-matching"),
    path("bulk/<uuid:id>/", bulk.job, name="bulk-job"),
    path("bulk/<uuid:id>/<slug:act>/", bulk.act, name="bulk-act"),
    path("drafts/", drafts.keep, name="drafts"),
    path("conversations/", conversations.conversations, name="conversations"),
    path("sessions/", include("sessions_app.session_urls")),
    path("views/", saved_views.create, name="views"),
    path("views/counts/", saved_views.counts, name="view-counts"),
    path("views/<int:id>/<slug:act>/", saved_views.act, name="view-act"),
    path("wall/", wall.wall, name="wall-of-all"),
    path("wall/<int:id>/", wall.wall, name="wall"),
    path("completions/", completions.completions, name="completions"),
    path("preferences/list/", saved_views.look, name="list-style"),
    path("preferences/theme/", theme.theme, name="theme"),
    path("watch/", watchdog_status.watch, name="watch"),
    path("jsi18n/", JavaScriptCatalog.as_view(), name="jsi18n"),
]
