from django.urls import path
from django.views.i18n import JavaScriptCatalog

from .views import listing, preferences

urlpatterns = [
    path("", listing.sessions, name="sessions"),
    path("preferences/theme/", preferences.theme, name="theme"),
    path("jsi18n/", JavaScriptCatalog.as_view(), name="jsi18n"),
]
