"""The exchange's API without a network between."""

from __future__ import annotations

import httpx
from django.test import Client


def exchange_transport() -> httpx.MockTransport:
    django = Client()

    def answer(request: httpx.Request) -> httpx.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
        response = django.generic(
            request.method,
            request.url.raw_path.decode(),
            request.content,
            content_type=request.headers.get("content-type", ""),
            headers=headers,
        )
        return httpx.Response(response.status_code, headers=dict(response.items()), content=response.content)

    return httpx.MockTransport(answer)
