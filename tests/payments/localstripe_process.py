"""localstripe, which is not ours, in a process of its own on loopback; and a line to it that loses answers.

It has no idempotency and no Connect: what is sent twice charges twice. So a lost answer shows whether we
look before we send again.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode, urlsplit

STARTS_WITHIN = 20
KEY = "sk_test_localstripe"
SECRET = "whsec_localstripe"
# The number of a card that it knows, of a bank that asks back.
NEEDS_BANK = "4000002500003155"


class LocalStripe:
    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "demo.stripe", "--port", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + STARTS_WITHIN
        while not self._answers():
            if time.monotonic() > until or self.process.poll() is not None:
                raise RuntimeError("localstripe does not start")
            time.sleep(0.1)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)

    def ask(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        """A call of somebody else's: Stripe's own page, or the buyer's bank."""
        body = json.dumps(given) if given else None
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        status, content = _call(self.port, method, path, body, headers)
        assert status == 200, content
        found: dict[str, Any] = json.loads(content) if content.strip() else {}
        return found

    def forget_everything(self) -> None:
        self.ask("DELETE", "/_config/data")

    def send_webhooks_to(self, url: str) -> None:
        self.ask("POST", "/_config/webhooks/ours", url=url, secret=SECRET)

    def card_of(self, customer: str, number: str) -> str:
        """The id of a card that the buyer has entered on Stripe's page."""
        card = {"number": number, "exp_month": 12, "exp_year": 2030, "cvc": "123"}
        return self._attached(customer, type="card", card=card)

    def debit_of(self, customer: str, iban: str) -> str:
        return self._attached(customer, type="sepa_debit", sepa_debit={"iban": iban})

    def authenticate(self, intent: str, *, success: bool) -> None:
        """The buyer's bank has asked whether it is the buyer."""
        secret = self.ask("GET", f"/v1/payment_intents/{intent}")["client_secret"]
        path = f"/v1/payment_intents/{intent}/_authenticate"
        self.ask("POST", path, client_secret=secret, success=success)

    def intents(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", "/v1/payment_intents?limit=100")["data"]
        return found

    def _attached(self, customer: str, **method: Any) -> str:
        name: str = self.ask("POST", "/v1/payment_methods", **method)["id"]
        self.ask("POST", f"/v1/payment_methods/{name}/attach", customer=customer)
        return name

    def _answers(self) -> bool:
        try:
            self.ask("GET", "/v1/payment_intents")
        except OSError:
            return False
        return True


@contextmanager
def losing_line(local: LocalStripe) -> Iterator[Line]:
    line = Line(local)
    try:
        yield line
    finally:
        line.stop()


class Line:
    """Hands calls on to localstripe. ``lose`` says of how many of the next payments the answer is lost.

    Lists go on without their filters, which localstripe does not know; who asked filters them once more.
    """

    def __init__(self, local: LocalStripe) -> None:
        self.lose = 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, local.port))
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def _handler(line: Line, port: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._hand_on("GET", f"{urlsplit(self.path).path}?{urlencode({'limit': 100})}", None)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            self._hand_on("POST", self.path, body)

        def _hand_on(self, method: str, path: str, body: str | None) -> None:
            names = ("Authorization", "Content-Type")
            headers = {name: self.headers[name] for name in names if self.headers.get(name)}
            status, content = _call(port, method, path, body, headers)
            if line.lose and method == "POST" and path == "/v1/payment_intents":
                line.lose -= 1
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


def _call(port: int, method: str, path: str, body: str | None, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
