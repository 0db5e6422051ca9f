"""Django's settings. Environment variables are read and checked in `dashboard.environment`."""

from __future__ import annotations

import socket
import sys
import warnings
from pathlib import Path
from typing import Any

import django_stubs_ext
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _
from psycopg_pool import ConnectionPool

from agent_sessions.keys import Keys
from dashboard import environment
from dashboard.database import address
from dashboard.database.bounded_connection import BoundedConnection
from dashboard.embedded import database_url, valkey_url
from dashboard.embedded.credentials import LogIn
from dashboard.heartbeat_rules import Rules
from dashboard.logging import logging_config
from dashboard.secret import secret_key

django_stubs_ext.monkeypatch()  # generic classes such as Paginator[Any] work at run time

ENVIRONMENT = environment.read()
BASE_DIR = environment.BASE_DIR

# -- From the environment ------------------------------------------------------------------------
DATA_DIR: Path = ENVIRONMENT.data_dir
DATABASE_URL: str = database_url(ENVIRONMENT, LogIn.DASHBOARD)
# LISTEN and session locks need a direct connection. If this is set, DATABASE_URL may lead to a pooler.
LISTEN_DATABASE_URL: str = ENVIRONMENT.listen_database_url
VALKEY_URL: str = valkey_url(ENVIRONMENT, LogIn.DASHBOARD)
SESSION_NAMESPACE: str = ENVIRONMENT.namespace
HEARTBEAT_RULES: Rules = ENVIRONMENT.heartbeat_rules
TRASH_DAYS: int = ENVIRONMENT.trash_days
METRICS_TOKEN: str = ENVIRONMENT.metrics_token
METRICS_PORT: int = ENVIRONMENT.metrics_port
METRICS_HOST: str = ENVIRONMENT.host
DEBUG = ENVIRONMENT.debug
SECRET_KEY = ENVIRONMENT.secret_key or secret_key(DATA_DIR)
ALLOWED_HOSTS = ENVIRONMENT.allowed_hosts or [
    *("localhost", "127.0.0.1", "[::1]", socket.gethostname().lower(), ENVIRONMENT.host)
]
CSRF_TRUSTED_ORIGINS = ENVIRONMENT.trusted_origins
URL_PREFIX: str = ENVIRONMENT.url_prefix
FORCE_SCRIPT_NAME = URL_PREFIX or None

# -- The application -----------------------------------------------------------------------------
INSTALLED_APPS = [
    "daphne",
    "sessions_app",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "channels",
    "csp",
    "django_prometheus",
    "django_structlog",
    "ninja",
]
MIDDLEWARE = [
    "dashboard.monitoring.MonitoringMiddleware",
    "dashboard.problems.ProblemsMiddleware",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "dashboard.problems.LanguageMiddleware",
    "dashboard.database_errors.DatabaseErrorsMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "dashboard.admin_input.AdminInputMiddleware",
    "dashboard.body_limit.BodyLimitMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "sessions_app.drafts.middleware.DraftsMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
# The short limit is for all forms but edits, see BodyLimitMiddleware. The largest edit: a context and metadata of 4 MiB
# each, both as typed and as loaded, in a form with three characters for a byte.
SHORT_BODY_BYTES = 2_621_440
DATA_UPLOAD_MAX_MEMORY_SIZE = 50 * 1024 * 1024
ROOT_URLCONF = "dashboard.urls"
ASGI_APPLICATION = "dashboard.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "dashboard.template_loader.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "sessions_app.context_processors.access",
            ],
        },
    }
]

# -- Storage -------------------------------------------------------------------------------------
DATABASES: dict[str, Any] = {
    "default": {
        **address.django_settings(DATABASE_URL),
        "ENGINE": "dashboard.database",
        # In transaction mode a pooler may run each statement on another connection.
        "DISABLE_SERVER_SIDE_CURSORS": bool(LISTEN_DATABASE_URL),
    }
}
DATABASES["default"]["OPTIONS"] = {
    "connect_timeout": 5,
    # Under ASGI every request has a thread of its own: connections are shared through a pool.
    # By default the pool doubles its waits: after an outage of a minute it could wait another minute.
    "pool": {
        "connection_class": BoundedConnection,
        "min_size": 1,
        "max_size": 16,
        "timeout": 5,
        "reconnect_timeout": 1,
        "reconnect_failed": ConnectionPool.check,
    },
    **DATABASES["default"].get("OPTIONS", {}),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": VALKEY_URL,
        "KEY_PREFIX": Keys(SESSION_NAMESPACE).web_cache,
        "OPTIONS": {
            "CONNECTION_FACTORY": "dashboard.cache.ConnectionFactory",
            "SERIALIZER": "dashboard.cache.JsonSerializer",
            # Valkey is a cache: without it the page is slower, not broken
            "IGNORE_EXCEPTIONS": True,
            "SOCKET_CONNECT_TIMEOUT": 1,
            "SOCKET_TIMEOUT": 1,
        },
    }
}

# -- Authentication ------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["sessions_app.auth_backends.PrefetchingModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "sessions"
LOGOUT_REDIRECT_URL = "login"
OIDC_ENABLED = bool(ENVIRONMENT.oidc)
if OIDC_ENABLED:
    INSTALLED_APPS.append("mozilla_django_oidc")
    AUTHENTICATION_BACKENDS.append("sessions_app.accounts.single_sign_on.ProviderBackend")
    OIDC_RP_SIGN_ALGO = "RS256"
    OIDC_RP_SCOPES = "openid email profile"
    OIDC_TIMEOUT = 10  # seconds
    LOGIN_REDIRECT_URL_FAILURE = f"{URL_PREFIX}/login/"
    globals().update(ENVIRONMENT.oidc)

# -- Cookies -------------------------------------------------------------------------------------
# Another program on this host may set cookies for "/". Django would read one of the same name.
COOKIE_SUFFIX = URL_PREFIX.replace("/", "_")
SESSION_COOKIE_NAME = f"sessionid{COOKIE_SUFFIX}"
CSRF_COOKIE_NAME = f"csrftoken{COOKIE_SUFFIX}"
LANGUAGE_COOKIE_NAME = f"django_language{COOKIE_SUFFIX}"
THEME_COOKIE_NAME = f"theme{COOKIE_SUFFIX}"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = LANGUAGE_COOKIE_PATH = f"{URL_PREFIX}/"

# -- Security ------------------------------------------------------------------------------------
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "sessions_app.drafts.middleware.csrf_failure"
# Returns the text of a sent form on the page that reports an unavailable database.
FORM_TO_SEND_AGAIN = "sessions_app.drafts.send_again.form_to_send_again"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
BEHIND_PROXY: bool = ENVIRONMENT.behind_https
if ENVIRONMENT.behind_https:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = ENVIRONMENT.hsts.seconds
    SECURE_HSTS_INCLUDE_SUBDOMAINS = ENVIRONMENT.hsts.subdomains
    SECURE_HSTS_PRELOAD = ENVIRONMENT.hsts.preload
    # HSTS is configured by settings of its own, so Django's warnings about it do not apply.
    SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W005", "security.W021"]
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}

# -- Language and time ---------------------------------------------------------------------------
LANGUAGE_CODE = "de"
LANGUAGES = [("de", _("German")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "Europe/Berlin"
USE_I18N = True
USE_TZ = True

# -- Static files: from their folders as they are, or collected and hashed by `collectstatic` -----
STATIC_URL = f"{URL_PREFIX}/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_COLLECTED = (STATIC_ROOT / "staticfiles.json").exists()
COLLECTING = sys.argv[1:2] == ["collectstatic"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "dashboard.storage.CollectedStorage"
        if STATIC_COLLECTED or COLLECTING
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not STATIC_COLLECTED
# WhiteNoise warns before collectstatic has run
warnings.filterwarnings("ignore", "No directory at")
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_MAX_AGE = 60 if STATIC_COLLECTED else 0

# -- Logging -------------------------------------------------------------------------------------
LOGGING = logging_config(level=ENVIRONMENT.log_level, json=ENVIRONMENT.log_format == "json")
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = 20
