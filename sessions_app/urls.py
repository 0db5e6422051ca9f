from django.urls import include, path
from django.views.i18n import JavaScriptCatalog

from .api.app import api
from .views import bulk, chart, listing, preferences

urlpatterns = [
    path("", listing.sessions, name="sessions"),
    path("api/", api.urls),
    path("chart/", chart.numbers, name="chart"),
    path("bulk/", bulk.bulk, name="bulk"),
    path("bulk/matching/", bulk.matching, name="bulk-matching"),
    path("bulk/<uuid:id>/", bulk.job, name="bulk-job"),
    path("bulk/<uuid:id>/<slug:act>/", bulk.act, name="bulk-act"),
    path("sessions/", include("sessions_app.session_urls")),
    path("preferences/theme/", preferences.theme, name="theme"),
    path("jsi18n/", JavaScriptCatalog.as_view(), name="jsi18n"),
]
