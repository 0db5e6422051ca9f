from django.urls import path

from .consumers import feed
from .path import FEED

websocket_urlpatterns = [path(FEED, feed)]  # type: ignore[arg-type]  # no view: Channels routes to it
