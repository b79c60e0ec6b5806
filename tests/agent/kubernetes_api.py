"""A stand-in for Kubernetes' API server: what it answers to the agent's requests, from its documentation.

No API server is among the packages that can be installed here, so these are the shapes of conversations and
not a server: server-side apply of whole objects, lists with selectors and versions, watches from a version,
token requests, deletion. Deleting a namespace takes all that is in it at once; pods end without grace.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.agent.contract import Killed

CREATED = "2026-03-02T09:00:00Z"


@dataclass
class KubernetesApi:
    """``objects`` by path. ``history`` is what a watch tells; ``forgotten`` is up to where it cannot."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    history: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    version: int = 1
    forgotten: int = 0
    changes: int = 0
    dies_at: int = -1

    def client(self) -> httpx.Client:
        return httpx.Client(base_url="https://kubernetes", transport=httpx.MockTransport(self.answer))

    def put(self, path: str, made: dict[str, Any]) -> None:
        """Make or change an object, as a buyer or the cluster would."""
        self.version += 1
        known = self.objects.get(path)
        metadata = made["metadata"] | {"resourceVersion": str(self.version)}
        metadata.setdefault("namespace", path.split("/")[-3] if path.count("/") > 4 else "")
        metadata.setdefault("uid", known["metadata"]["uid"] if known else f"uid-{self.version}")
        self.objects[path] = made | {"metadata": metadata}
        self.history.append((self.version, "MODIFIED" if known else "ADDED", self.objects[path]))

    def drop(self, path: str, *, at: str | None = None) -> None:
        self.version += 1
        gone = self.objects.pop(path)
        gone["metadata"] |= {"resourceVersion": str(self.version)} | ({"deletionTimestamp": at} if at else {})
        self.history.append((self.version, "DELETED", gone))

    def answer(self, request: httpx.Request) -> httpx.Response:
        """``dies_at``: whoever made so many changes is killed before it knows."""
        answered = self._answer(request)
        if self.changes == self.dies_at:
            raise Killed
        return answered

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path, query = request.url.path, dict(request.url.params)
        match request.method:
            case "GET":
                return self._get(path, query)
            case "PATCH":
                return self._apply(path, json.loads(request.content))
            case "DELETE":
                return self._delete(path)
            case "POST" if path.endswith("/token") and path.removesuffix("/token") in self.objects:
                self.changes += 1
                status = {"token": "a.b.c", "expirationTimestamp": "2026-03-02T11:00:00Z"}
                return httpx.Response(201, json=json.loads(request.content) | {"status": status})
            case _:
                return _not_found(path)

    def _get(self, path: str, query: dict[str, str]) -> httpx.Response:
        if path in self.objects:
            return httpx.Response(200, json=self.objects[path])
        if not path.endswith(("/namespaces", "/configmaps", "/nodes", "/pods")):
            return _not_found(path)
        if query.get("watch"):
            return self._watch(path, int(query["resourceVersion"]))
        kind = path.rsplit("/", 1)[1]
        inside = [
            one
            for where, one in sorted(self.objects.items())
            if where.rsplit("/", 1)[0] == path or (path == "/api/v1/pods" and f"/{kind}/" in where)
        ]
        items = [one for one in inside if _selected(one, query.get("labelSelector", ""))]
        return httpx.Response(200, json={"metadata": {"resourceVersion": str(self.version)}, "items": items})

    def _watch(self, path: str, since: int) -> httpx.Response:
        if since < self.forgotten:
            error = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}
            return httpx.Response(200, text=json.dumps(error))
        lines = [
            json.dumps({"type": kind, "object": one})
            for version, kind, one in self.history
            if version > since and f"/namespaces/{one['metadata'].get('namespace')}/pods" in path
        ]
        return httpx.Response(200, text="\n".join(lines))

    def _apply(self, path: str, made: dict[str, Any]) -> httpx.Response:
        """The manager's fields are these and no others; what is the same is not written."""
        namespace = path.split("/namespaces/", 1)[1].split("/", 1)[0]
        if path.count("/") > 4 and f"/api/v1/namespaces/{namespace}" not in self.objects:
            return _not_found(namespace)
        known = self.objects.get(path)
        if known is None or {**known, "metadata": _own(known)} != {**made, "metadata": _own(made)}:
            self.put(path, made)
            self.changes += 1
        return httpx.Response(200, json=self.objects[path])

    def _delete(self, path: str) -> httpx.Response:
        kept = path.endswith("/pods")
        gone = [one for one in self.objects if one.startswith(f"{path}/") or _is_in(one, path)]
        gone += [path] if path in self.objects else []
        if not gone and not kept:
            return _not_found(path)
        self.changes += bool(gone)
        for one in gone:
            self.drop(one)
        return httpx.Response(200, json={"kind": "Status", "status": "Success"})


def _is_in(path: str, namespace: str) -> bool:
    """Objects of another group lie under another path, and in the same namespace."""
    name = namespace.removeprefix("/api/v1/namespaces/")
    return "/" not in name and f"/namespaces/{name}/" in path


def _own(made: dict[str, Any]) -> dict[str, Any]:
    return {name: made["metadata"].get(name) for name in ("name", "labels")}


def _selected(one: dict[str, Any], selector: str) -> bool:
    labels = one["metadata"].get("labels", {})
    for part in filter(None, selector.split(",")):
        name, equals, value = part.partition("=")
        if name not in labels or (equals and labels[name] != value):
            return False
    return True


def _not_found(what: str) -> httpx.Response:
    return httpx.Response(404, json={"kind": "Status", "code": 404, "message": f"{what} not found"})
