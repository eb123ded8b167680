"""How tests ask an application, and what they look for in its answers."""

from typing import Any

import httpx
from fastapi import FastAPI


def asking(app: FastAPI, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    """A client of an application in this process."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", headers=headers, timeout=60)


def problem(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """What a refusal tells, which must be this one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert told["type"] == f"urn:parley:problem:{kind}", told
    assert told["status"] == status
    return told


def labels(told: dict[str, Any]) -> list[str]:
    """What was understood."""
    return [intent["label"] for intent in told["intents"]]
