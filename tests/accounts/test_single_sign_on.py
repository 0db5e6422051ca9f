"""Single sign-on with a provider on loopback that signs with a real key, like Keycloak."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from django.urls import clear_url_caches, include, path

from dashboard import urls as dashboard_urls
from sessions_app.accounts.models import ProviderIdentity

CLIENT_ID = "dashboard"
ISSUER = "https://login.example.org/realms/school"
BACKEND = "sessions_app.accounts.single_sign_on.ProviderBackend"
urlpatterns = [path("oidc/", include("mozilla_django_oidc.urls")), *dashboard_urls.urlpatterns]


class Provider:
    """A provider; its claims about the person who logs in are `token`, in the signed id token, and `info`."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.nonce = ""
        self.token: dict[str, Any] = {}
        self.info: dict[str, Any] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def say(self, sub: Any = "1", **claims: Any) -> None:
        """Sets the claims of the next person. None omits a claim."""
        now = int(time.time())
        basic = {"iss": ISSUER, "aud": CLIENT_ID, "iat": now, "exp": now + 60, "sub": sub}
        given = {**basic, **claims}
        self.token = {name: value for name, value in given.items() if value is not None}
        self.info = {name: value for name, value in given.items() if value is not None}

    def id_token(self) -> str:
        headers = {"kid": "a", "alg": "RS256"}
        return jwt.encode({**self.token, "nonce": self.nonce}, self.key, "RS256", headers)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self._send({"id_token": provider.id_token(), "access_token": "x"})

            def do_GET(self) -> None:
                public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(provider.key.public_key()))
                keys = {"keys": [{**public, "kid": "a", "alg": "RS256"}]}
                self._send(keys if self.path == "/keys" else provider.info)

            def _send(self, body: dict[str, Any]) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *args: Any) -> None:
                pass

        return Handler


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.server.shutdown()
    provider.server.server_close()


@pytest.fixture
def provider(running: Provider, settings: Any, db: None) -> Iterator[Provider]:
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "mozilla_django_oidc"]
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, BACKEND]
    settings.OIDC_RP_SIGN_ALGO = "RS256"
    settings.OIDC_RP_SCOPES = "openid email profile"
    settings.OIDC_RP_CLIENT_ID = CLIENT_ID
    settings.OIDC_RP_CLIENT_SECRET = "secret"
    settings.OIDC_OP_AUTHORIZATION_ENDPOINT = f"{running.url}/authorize"
    settings.OIDC_OP_TOKEN_ENDPOINT = f"{running.url}/token"
    settings.OIDC_OP_USER_ENDPOINT = f"{running.url}/user"
    settings.OIDC_OP_JWKS_ENDPOINT = f"{running.url}/keys"
    settings.LOGIN_REDIRECT_URL_FAILURE = "/login/"
    settings.ROOT_URLCONF = __name__
    clear_url_caches()
    yield running
    clear_url_caches()


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create_superuser("admin", "admin@example.org", "admin")


def come(provider: Provider) -> User | None:
    """Logs in as a browser does: to the provider, and back with a code. Returns the user."""
    client = Client()
    there = client.get("/oidc/authenticate/")["Location"]
    asked = {name: values[0] for name, values in parse_qs(urlsplit(there).query).items()}
    provider.nonce = asked["nonce"]
    back = client.get("/oidc/callback/", {"code": "c", "state": asked["state"]})
    assert back.status_code == 302
    key = client.session.get("_auth_user_id")
    return User.objects.get(pk=key) if key else None


def test_a_new_person_gets_an_account_without_rights(provider: Provider) -> None:
    provider.say(preferred_username="anna", email="anna@example.org", email_verified=True)
    user = come(provider)
    assert user is not None
    assert (user.username, user.email) == ("anna", "anna@example.org")
    assert not (user.is_staff or user.is_superuser or user.get_all_permissions())
    assert not user.has_usable_password()


def test_the_same_account_of_the_provider_is_the_same_user_whatever_else_changed(
    provider: Provider,
) -> None:
    provider.say(preferred_username="anna", email="anna@example.org", email_verified=True)
    first = come(provider)
    provider.say(preferred_username="frau.huber", email="huber@example.org", email_verified=True)
    assert come(provider) == first
    provider.say(preferred_username=None, email=None)
    assert come(provider) == first
    assert User.objects.count() == 1


@pytest.mark.parametrize("verified", [False, True, None, "true"])
@pytest.mark.parametrize("email", ["admin@example.org", "ADMIN@example.org"])
def test_an_address_opens_nobodys_account(
    provider: Provider, admin: User, verified: Any, email: str
) -> None:
    provider.say(sub="666", email=email, email_verified=verified)
    user = come(provider)
    assert user is not None
    assert user != admin
    assert not (user.is_superuser or user.is_staff)
    provider.say(sub="667", email=email, email_verified=verified)
    assert come(provider) not in (user, admin, None)


@pytest.mark.parametrize("name", ["admin", "ADMIN", "Admin"])
def test_a_name_opens_nobodys_account(provider: Provider, admin: User, name: str) -> None:
    provider.say(sub="666", preferred_username=name)
    user = come(provider)
    assert user is not None
    assert user != admin
    assert user.username.startswith(f"{name}-")
    assert not user.is_superuser


def test_two_persons_of_one_name_are_two_users(provider: Provider) -> None:
    provider.say(sub="1", preferred_username="anna")
    first = come(provider)
    provider.say(sub="2", preferred_username="anna")
    second = come(provider)
    assert first is not None
    assert second is not None
    assert (first.username, second.username.split("-")[0]) == ("anna", "anna")
    assert first != second


def test_the_same_number_at_another_provider_is_another_person(provider: Provider) -> None:
    provider.say(sub="1")
    first = come(provider)
    provider.say(sub="1", iss="https://other.example.org")
    assert come(provider) not in (first, None)


@pytest.mark.parametrize("name", ["a b", "ä", "<b>", "x" * 300, "", 7, ["a"], {"a": 1}, "a\x00"])
def test_a_name_that_cannot_be_one_is_replaced(provider: Provider, name: Any) -> None:
    provider.say(preferred_username=name, email=name, email_verified=True)
    user = come(provider)
    assert user is not None
    assert user.username.startswith("sso-")


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": None},
        {"sub": ""},
        {"sub": 5},
        {"sub": ["1"]},
        {"sub": "1" * 300},
        {"sub": "a\x00"},
        {"iss": None},
        {"iss": ""},
        {"aud": "another"},
        {"aud": None},
        {"aud": []},
        {"azp": "another"},
        {"exp": None},
        {"exp": 1},
        {"exp": "soon"},
    ],
    ids=str,
)
def test_a_token_that_says_not_enough_opens_nothing(
    provider: Provider, claims: dict[str, Any]
) -> None:
    provider.say(**claims)
    assert come(provider) is None
    assert User.objects.count() == 0


def test_information_about_somebody_else_opens_nothing(provider: Provider) -> None:
    provider.say(sub="1")
    provider.info["sub"] = "2"
    assert come(provider) is None
    provider.info = {}
    assert come(provider) is None


def test_a_token_signed_by_another_key_opens_nothing(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.say()
    other = Provider()
    other.server.shutdown()
    other.server.server_close()
    other.token = provider.token
    monkeypatch.setattr(provider, "id_token", other.id_token)
    assert come(provider) is None


def test_a_provider_that_is_away_opens_nothing_and_breaks_nothing(
    provider: Provider, settings: Any
) -> None:
    provider.say()
    settings.OIDC_OP_TOKEN_ENDPOINT = "http://127.0.0.1:9/token"
    assert come(provider) is None


def test_a_disabled_user_stays_outside(provider: Provider) -> None:
    provider.say()
    user = come(provider)
    assert user is not None
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert come(provider) is None
    assert User.objects.count() == 1


def test_an_account_that_exists_is_linked_by_an_administrator_alone(
    provider: Provider, admin: User, viewer: User
) -> None:
    given = {"user": viewer.pk, "issuer": ISSUER, "subject": "7"}
    client = Client()
    client.force_login(viewer)
    assert client.post("/admin/sessions_app/provideridentity/add/", given).status_code == 403
    client.force_login(admin)
    assert client.post("/admin/sessions_app/provideridentity/add/", given).status_code == 302
    provider.say(sub="7", preferred_username="whatever")
    assert come(provider) == viewer
    ProviderIdentity.objects.all().delete()
    assert come(provider) != viewer


def test_a_group_given_to_the_new_user_counts(provider: Provider, viewer: User) -> None:
    provider.say(sub="8")
    user = come(provider)
    assert user is not None
    user.groups.set(Group.objects.filter(name="viewers"))
    client = Client()
    client.force_login(user, BACKEND)
    assert client.get("/").status_code == 200


def test_a_form_with_a_password_never_asks_the_provider(provider: Provider, viewer: User) -> None:
    provider.say(sub="9")
    client = Client()
    given = {"username": "viktor", "password": "wrong"}
    assert client.post("/login/?code=a&state=b", given).status_code == 200
    assert "_auth_user_id" not in client.session
    assert not ProviderIdentity.objects.exists()


def test_the_models_of_this_application_have_their_migrations(db: None) -> None:
    call_command("makemigrations", "sessions_app", check=True, dry_run=True, verbosity=1)
