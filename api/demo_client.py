"""A client system of the demonstration: it authenticates and calls over HTTP as any client would.

Keeps one connection a thread and one access token a client. Speaks the documented interface only.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.parse
import uuid
from typing import Any

from api import auth

PATIENCE_S = 30.0
"""How long a call is made again that is to come later."""
_GRANT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class CallFailed(RuntimeError):
    """A call that was not answered with 2xx."""

    def __init__(self, status: int, problem: Any) -> None:
        super().__init__(f"HTTP {status}: {problem}")
        self.status = status
        self.problem = problem


class Client:
    """One registered client system."""

    def __init__(self, base_url: str, *, client_id: str, private_key: dict[str, Any]) -> None:
        self._base = urllib.parse.urlsplit(base_url)
        self._audience = f"{base_url}/oauth/token"
        self._client_id = client_id
        self._key = private_key
        self._local = threading.local()
        self._token = ""
        self._token_ends = 0.0
        self._guard = threading.Lock()

    def post(self, path: str, body: dict[str, Any], *, at_least: int | None = None) -> Any:
        """The JSON answer of a POST under a fresh Idempotency-Key, of a ledger at least so far."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
        if at_least is not None:
            headers["Ledger-At-Least"] = str(at_least)
        return self._call("POST", path, json.dumps(body, ensure_ascii=False).encode(), headers)[0]

    def post_raw(self, path: str, body: dict[str, Any]) -> bytes:
        """The answer of a POST, byte for byte, to be kept as a file."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
        return self._call("POST", path, json.dumps(body, ensure_ascii=False).encode(), headers)[1]

    def post_for_file(self, path: str, body: dict[str, Any]) -> bytes:
        """The file that a POST answers."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
        headers["Authorization"] = f"Bearer {self._access_token()}"
        return self._file("POST", path, headers, json.dumps(body, ensure_ascii=False).encode())

    def fetch(self, path: str) -> bytes:
        """The file that a GET answers."""
        return self._file("GET", path, {"Authorization": f"Bearer {self._access_token()}"})

    def follow(self, url: str) -> bytes:
        """The file behind a link, as whoever has the link downloads it: without a token."""
        return self._file("POST", urllib.parse.urlsplit(url).path, {})

    def _file(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
        status, data = self._exchange(method, path, body, headers)
        if status != 200:
            raise CallFailed(status, json.loads(data))
        return data

    def _call(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[Any, bytes]:
        headers = {**headers, "Authorization": f"Bearer {self._access_token()}"}
        return self._send(method, path, body, headers)

    def _access_token(self) -> str:
        with self._guard:
            if time.monotonic() > self._token_ends - 30:
                assertion = auth.make_assertion(
                    self._key,
                    algorithm="Ed25519",
                    client_id=self._client_id,
                    audience=self._audience,
                    now=int(time.time()),
                )
                form = {
                    "grant_type": "client_credentials",
                    "client_assertion_type": _GRANT,
                    "client_assertion": assertion,
                }
                headers = {"Content-Type": "application/x-www-form-urlencoded"}
                answer, _ = self._send("POST", "/oauth/token", urllib.parse.urlencode(form).encode(), headers)
                self._token = answer["access_token"]
                self._token_ends = time.monotonic() + answer["expires_in"]
            return self._token

    def _send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[Any, bytes]:
        try:
            status, data = self._exchange(method, path, body, headers)
        except (http.client.HTTPException, OSError):
            # The server had closed an idle connection. Under the same key a repeat changes nothing.
            self._local.connection = None
            status, data = self._exchange(method, path, body, headers)
        give_up_at = time.monotonic() + PATIENCE_S
        while status == 503 and time.monotonic() < give_up_at:
            # A list that is behind the index asked for, on a busy machine.
            time.sleep(0.1)
            status, data = self._exchange(method, path, body, headers)
        answer = json.loads(data) if data else None
        if not 200 <= status < 300:
            raise CallFailed(status, answer)
        return answer, data

    def _exchange(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        connection = self._connection()
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()

    def _connection(self) -> http.client.HTTPConnection:
        known: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if known is None:
            assert self._base.hostname is not None, "a base URL has a host"
            known = http.client.HTTPConnection(self._base.hostname, self._base.port, timeout=60)
            self._local.connection = known
        return known
