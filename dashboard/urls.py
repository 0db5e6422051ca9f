from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, include, path, reverse_lazy

from dashboard.metrics import metrics
from sessions_app.accounts.forms import AdminLoginForm, LoginView

admin.site.login_form = AdminLoginForm
admin.site.site_url = reverse_lazy("sessions")  # type: ignore[assignment]  # evaluated when shown
handler500 = "dashboard.database_errors.server_error"
urlpatterns: list[URLPattern | URLResolver] = [
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    path("metrics", metrics, name="metrics"),
    path("", include("sessions_app.urls")),
]
if settings.OIDC_ENABLED:
    urlpatterns.insert(0, path("oidc/", include("mozilla_django_oidc.urls")))
