"""Single sign-on: the provider's `iss` and `sub` identify a user, never an e-mail address or a name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import jwt
import requests
import structlog
from django.contrib.auth.models import User
from django.core.exceptions import SuspiciousOperation, ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from mozilla_django_oidc.auth import OIDCAuthenticationBackend

from ..auth_backends import PrefetchingModelBackend
from .models import ProviderIdentity

log = structlog.get_logger(__name__)

LONGEST = 255
NAME = re.compile(r"[A-Za-z0-9_.@+-]{1,130}\Z")
UNUSABLE = (
    SuspiciousOperation,
    requests.RequestException,
    jwt.PyJWTError,
    KeyError,
    TypeError,
    ValueError,
)


class ProviderBackend(PrefetchingModelBackend, OIDCAuthenticationBackend):  # type: ignore[misc]
    def authenticate(  # type: ignore[override]
        self, request: HttpRequest | None, nonce: str, code_verifier: str | None = None
    ) -> User | None:
        """`nonce` is required, so that password forms never reach this backend."""
        try:
            user: User | None = OIDCAuthenticationBackend.authenticate(
                self, request, nonce=nonce, code_verifier=code_verifier
            )
        except UNUSABLE as error:
            log.warning("single sign-on refused", error=str(error)[:200])
            return None
        if user is not None and not self.user_can_authenticate(user):
            log.warning("single sign-on refused", error="the user is disabled", user=user.pk)
            return None
        return user

    def get_or_create_user(
        self, access_token: str, id_token: str, payload: Mapping[str, Any]
    ) -> User:
        issuer, subject = _text(payload, "iss"), _text(payload, "sub")
        self._require_for_us(payload)
        claims = self.get_userinfo(access_token, id_token, payload)
        if not isinstance(claims, dict) or claims.get("sub") != subject:
            raise SuspiciousOperation("the user information is another account's")
        return _known(issuer, subject) or _new(issuer, subject, {**payload, **claims})

    def _require_for_us(self, payload: Mapping[str, Any]) -> None:
        """Refuses tokens that the provider issued for another program, or that never expire."""
        audience = payload.get("aud")
        given = audience if isinstance(audience, list) else [audience]
        if self.OIDC_RP_CLIENT_ID not in given:
            raise SuspiciousOperation("the token was made for another client")
        if payload.get("azp", self.OIDC_RP_CLIENT_ID) != self.OIDC_RP_CLIENT_ID:
            raise SuspiciousOperation("the token was given to another client")
        if "exp" not in payload:
            raise SuspiciousOperation("the token never expires")


def _text(payload: Mapping[str, Any], name: str) -> str:
    value = payload.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST or "\x00" in value:
        raise SuspiciousOperation(f"the token has no usable {name}")
    return value


def _known(issuer: str, subject: str) -> User | None:
    found = ProviderIdentity.objects.select_related("user")
    identity = found.filter(issuer=issuer, subject=subject).first()
    return identity.user if identity else None


def _new(issuer: str, subject: str, claims: Mapping[str, Any]) -> User:
    """Creates an account without permissions; an administrator adds it to a group."""
    email = _verified_address(claims)
    for name in _names(issuer, subject, claims):
        try:
            with transaction.atomic():
                if User.objects.filter(username__iexact=name).exists():
                    continue
                user = User.objects.create_user(name, email=email)
                ProviderIdentity.objects.create(user=user, issuer=issuer, subject=subject)
        except IntegrityError:  # the name was taken, or the same person logged in twice at once
            if found := _known(issuer, subject):
                return found
            continue
        log.info("single sign-on made a new account", user=user.pk, issuer=issuer)
        return user
    raise SuspiciousOperation("no user name is free for this account")


def _verified_address(claims: Mapping[str, Any]) -> str:
    address = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(address, str):
        return ""
    try:
        validate_email(address)
    except ValidationError:
        return ""
    return address if len(address) < LONGEST else ""


def _names(issuer: str, subject: str, claims: Mapping[str, Any]) -> list[str]:
    """Names to try: the provider's, then with a suffix of this account; without a usable one `sso-` and the suffix."""
    own = hashlib.sha256(f"{issuer}\n{subject}".encode()).hexdigest()[:12]
    wanted = claims.get("preferred_username")
    if isinstance(wanted, str) and NAME.match(wanted):
        return [wanted, f"{wanted}-{own}"]
    return [f"sso-{own}"]
