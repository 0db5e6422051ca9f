from django.urls import path

from .consumers import FeedConsumer

websocket_urlpatterns = [path("ws/sessions/", FeedConsumer.as_asgi())]
