from django.urls import path

from .consumers import feed

websocket_urlpatterns = [path("ws/sessions/", feed)]  # type: ignore[arg-type]  # no view: Channels routes to it
