"""Kubernetes' REST API, as far as the agent needs it: read, apply, delete, and what happened since.

A client library would bring thirty packages for these six requests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from marketplace.agent.errors import SiteProblem

APPLY = "application/apply-patch+yaml"
MANAGER = {"fieldManager": "cardhour-agent", "force": "true"}
Object = Mapping[str, Any]


class ApiRefused(SiteProblem):
    """The API said no, or nothing."""

    def __init__(self, what: str, status: int, message: str) -> None:
        self.status = status
        super().__init__(f"Kubernetes, {what}: {status} {message}")


@dataclass(frozen=True, slots=True)
class Api:
    client: httpx.Client

    def get(self, path: str) -> Object | None:
        """The object, or None where there is none."""
        response = self._send("GET", path)
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        found: Object = self._body("GET", path, response)
        return found

    def items(self, path: str, selector: str = "") -> tuple[list[Object], str]:
        """All objects of a list, and the version up to which it is complete."""
        query = {"labelSelector": selector} if selector else {}
        found = self._body("GET", path, self._send("GET", path, params=query))
        return found["items"], found["metadata"]["resourceVersion"]

    def apply(self, path: str, body: Object) -> None:
        """Make it, or bring what is there to this; the same again changes nothing."""
        response = self._send("PATCH", path, params=MANAGER, content=json.dumps(body), media_type=APPLY)
        self._body("PATCH", path, response)

    def create(self, path: str, body: Object) -> Object:
        made: Object = self._body("POST", path, self._send("POST", path, content=json.dumps(body)))
        return made

    def delete(self, path: str) -> None:
        """What is gone already is as good."""
        response = self._send("DELETE", path)
        if response.status_code not in {httpx.codes.NOT_FOUND, httpx.codes.CONFLICT}:
            self._body("DELETE", path, response)

    def since(self, path: str, version: str) -> Iterator[Object]:
        """What happened to the objects of a list after a version; ``ApiRefused`` with 410 where that is too
        long ago."""
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "1"}
        response = self._send("GET", path, params=query)
        if not response.is_success:
            self._body("GET", path, response)
        for line in response.text.splitlines():
            event = json.loads(line)
            if event["type"] == "ERROR":
                raise ApiRefused(f"GET {path}", event["object"].get("code", 0), "watch")
            yield event

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        content: str | None = None,
        media_type: str = "application/json",
    ) -> httpx.Response:
        try:
            return self.client.request(
                method, path, params=params, content=content, headers={"Content-Type": media_type}
            )
        except httpx.TransportError as error:
            raise ApiRefused(f"{method} {path}", 0, type(error).__name__) from error

    def _body(self, method: str, path: str, response: httpx.Response) -> Any:
        try:
            body = response.json()
        except ValueError as error:
            raise ApiRefused(f"{method} {path}", response.status_code, "no JSON") from error
        if not response.is_success:
            raise ApiRefused(f"{method} {path}", response.status_code, str(body.get("message", "")))
        return body
