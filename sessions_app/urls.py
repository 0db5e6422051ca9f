from django.urls import path, register_converter
from django.urls.converters import StringConverter
from django.views.i18n import JavaScriptCatalog

from .api.app import api
from .views import bulk, chart, listing, orders, preferences, session


class Part(StringConverter):
    regex = "context|metadata"


register_converter(Part, "part")

urlpatterns = [
    path("", listing.sessions, name="sessions"),
    path("api/", api.urls),
    path("chart/", chart.numbers, name="chart"),
    path("bulk/", bulk.bulk, name="bulk"),
    path("sessions/<uuid:id>/", session.session, name="session"),
    path("sessions/<uuid:id>/panels/", session.panels, name="session-panels"),
    path("sessions/<uuid:id>/<part:part>/", session.context, name="session-context"),
    path("sessions/<uuid:id>/rollbacks/new/", orders.rollback, name="rollback"),
    path("sessions/<uuid:id>/<slug:noun>/", orders.order, name="order"),
    path("preferences/theme/", preferences.theme, name="theme"),
    path("jsi18n/", JavaScriptCatalog.as_view(), name="jsi18n"),
]
