"""An OpenID Connect issuer on loopback: a real HTTP server with a discovery document, keys that rotate, and codes."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import html
import json
import secrets
import threading
import time
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

AUDIENCE = "fleetpulse-tests"


@cache
def _rsa_key(number: int) -> bytes:
    """One of several keys, which take a quarter of a second each to make."""
    del number
    return RSAKey.generate_key(2048).as_pem(private=True)


class LocalIssuer:
    """Signs with its newest key; `listed` are the public keys that it tells."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.listed: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.broken = False
        self.client = ("dashboard", "")
        """Id and secret of the client that people come from; "": a public one."""
        self.person: dict[str, Any] = {"preferred_username": "alice@acme.example"}
        """Claims of who signs in, over those of `claims`."""
        self.access: dict[str, Any] = {}
        """Claims of their access token, over the same."""
        self.forged: dict[str, Any] = {}
        """Claims of the ID token that are not what was asked for."""
        self.asks = False
        """Whether people are asked on a page whether they want to sign in."""
        self._codes: dict[str, dict[str, str]] = {}
        self._number = 0
        self.key: RSAKey | ECKey = self.rotate("RS256")

    def rotate(self, algorithm: str = "RS256", *, keep: bool = True) -> RSAKey | ECKey:
        """A new key to sign with; the old ones stay listed where `keep`."""
        self._number += 1
        kid = f"key-{self._number}"
        if algorithm == "RS256":
            self.key = RSAKey.import_key(_rsa_key(self._number % 2), {"kid": kid, "use": "sig", "alg": algorithm})
        else:
            self.key = ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": algorithm})
        public = dict(self.key.as_dict(private=False))
        self.listed = [*(self.listed if keep else []), public]
        return self.key

    def claims(self, now_s: float, **changed: object) -> dict[str, Any]:
        """Claims of a good token at `now_s`; a value of None leaves one out."""
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "alice",
            "iat": int(now_s),
            "exp": int(now_s) + 600,
            "roles": ["viewer"],
            "tenant": "acme",
        } | changed
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, now_s: float, header: dict[str, Any] | None = None, **changed: object) -> str:
        """A token signed with the newest key."""
        algorithm = "RS256" if isinstance(self.key, RSAKey) else "ES256"
        full = {"alg": algorithm, "kid": self.key.kid} | (header or {})
        return jwt.encode(full, self.claims(now_s, **changed), self.key, algorithms=[algorithm])

    def answer(self, path: str) -> tuple[int, bytes]:
        """Status and body of GET `path`."""
        self.asked.append(path)
        if self.broken:
            return 503, b"away"
        if path == "/.well-known/openid-configuration":
            ends = {"authorization_endpoint": f"{self.url}/authorize?tenant=1", "token_endpoint": f"{self.url}/token"}
            return 200, json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys", **ends}).encode()
        return (200, json.dumps({"keys": self.listed}).encode()) if path == "/keys" else (404, b"")

    def authorize(self, path: str) -> str:
        """Where a browser goes that asks for `path`: back, with a code."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        assert asked["client_id"] == self.client[0]
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        code = secrets.token_urlsafe(12)
        self._codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.url})}"

    def page(self, path: str) -> bytes:
        """What people see who go to `path`: a form that leads back with a code, and a way back without one."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        back = f"{asked['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': asked['state']})}"
        action, refuse = html.escape(path.replace("/authorize", "/login", 1)), html.escape(back)
        return (
            f"<!doctype html><title>Issuer</title><form method=post action='{action}'><button>Sign in</button></form>"
            f"<a href='{refuse}'>Cancel</a>"
        ).encode()

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Tokens for a code, once, for who left with its challenge."""
        asked = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        basic = f"Basic {base64.b64encode(':'.join(self.client).encode()).decode()}" if self.client[1] else ""
        if authorization != basic:
            return 401, {"error": "invalid_client"}
        said = {"aud": self.client[0], "nonce": asked["nonce"], **self.person, **self.forged}
        token = self.token(time.time(), **self.person | self.access)
        return 200, {"token_type": "Bearer", "id_token": self.token(time.time(), **said), "access_token": token}


@contextlib.contextmanager
def local_issuer() -> Iterator[LocalIssuer]:
    """An issuer that serves while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the standard library's name
            if self.path.startswith("/authorize") and issuer.asks:
                self._answer(200, issuer.page(self.path), kind="text/html")
            elif self.path.startswith("/authorize"):
                self._answer(302, b"", issuer.authorize(self.path))
            else:
                self._answer(*issuer.answer(self.path))

        def do_POST(self) -> None:  # the standard library's name
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if self.path.startswith("/login"):
                return self._answer(302, b"", issuer.authorize(self.path))
            form = {name: values[0] for name, values in parse_qs(body).items()}
            status, told = issuer.exchange(form, self.headers.get("Authorization", ""))
            return self._answer(status, json.dumps(told).encode())

        def _answer(self, status: int, body: bytes, location: str = "", kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the standard library's name
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = LocalIssuer(f"http://127.0.0.1:{server.server_address[1]}")
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    serving.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
