from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from django.test import AsyncClient, Client

from sessions_app.api import tokens
from tests.app.admin.conftest import checkpoint, create  # noqa: F401  the same fixtures here

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@pytest.fixture(autouse=True)
def _committed(transactional_db: None) -> None:
    """Commits for real: the manager's own connections do not see the test's transaction."""


@dataclass
class Api:
    """A client with a token."""

    token: str
    language: str = "en"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Accept-Language": self.language}

    def get(self, path: str, **headers: str) -> Any:
        return Client().get(f"/api{path}", headers={**self.headers, **headers})

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        text = body if isinstance(body, str | bytes) else json.dumps(body or {})
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return Client().post(
            f"/api{path}", text, content_type="application/json", headers={**self.headers, **names}
        )

    async def download(self, path: str) -> tuple[Any, str]:
        response: Any = await AsyncClient().get(f"/api{path}", headers=self.headers)
        parts = [part async for part in response.streaming_content]
        return response, b"".join(parts).decode()


@pytest.fixture
def olga(operator: User) -> Api:
    """A client whose user may look and give orders."""
    return Api(tokens.make(operator, "test"))


@pytest.fixture
def viktor(viewer: User) -> Api:
    """A client whose user may look."""
    return Api(tokens.make(viewer, "test"))


@pytest.fixture
def nora(nobody: User) -> Api:
    """A client whose user has no permissions."""
    return Api(tokens.make(nobody, "test"))
