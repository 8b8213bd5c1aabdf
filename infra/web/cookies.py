"""The cookie of a session: how it is set and read, and which requests of a browser it counts for.

A browser sends cookies with whatever a page makes it ask for. `SameSite=Strict` keeps them from other sites' pages; the
rules here do not lean on it: a page of another port or of a sibling's name is of the same site.
"""

from __future__ import annotations

from infra.web.call import Call

SESSION_COOKIE = "fleetpulse_session"
_HOST = "__Host-"
"""Before the name behind https: browsers take such a cookie from this very host alone (RFC 6265bis, 4.1.3.2)."""
_MOST = 4
"""Cookies of the name that are looked at: pages of a sibling's name can add some."""
SAFE = frozenset({"GET", "HEAD"})
"""Methods that change nothing."""
_FORMS = frozenset({"", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})
"""Content types that a page of anybody can have sent without being asked whether it may (Fetch, 2.2.2)."""


def cookie_name(call: Call, name: str) -> str:
    """What a cookie is called where the browser came as it did: behind https no page of a sibling's name can set it."""
    return _HOST + name if call.secure else name


def cookie_texts(call: Call, name: str) -> list[str]:
    """Values of the cookies of a name, the browser's order; behind https of those that this very host has set."""
    return _texts(call, cookie_name(call, name))


def _texts(call: Call, name: str) -> list[str]:
    pairs = (each.strip().partition("=") for each in call.header(b"cookie").split(";"))
    return [value.strip('"') for given, _, value in pairs if given == name][:_MOST]


def session_texts(call: Call) -> list[str]:
    """What may be a session's text."""
    return cookie_texts(call, SESSION_COOKIE)


def kept_session_texts(call: Call) -> list[str]:
    """The same, and what a browser has kept of a sign-in without https: for who signs out of all of them."""
    return [*_texts(call, _HOST + SESSION_COOKIE), *_texts(call, SESSION_COOKIE)]


def set_cookie(call: Call, name: str, value: str, lives_s: float, *, same_site: str = "Strict") -> str:
    """A `Set-Cookie` that no script can read; for https alone where the browser came by it. `lives_s` 0: forget it."""
    return _set(cookie_name(call, name), value, lives_s, same_site, secure=call.secure)


def forget_sessions(call: Call) -> list[str]:
    """The `Set-Cookie`s that forget a session, and behind https one of a sign-in without it."""
    plain = _set(SESSION_COOKIE, "", 0, "Strict", secure=False)
    return [set_cookie(call, SESSION_COOKIE, "", 0), plain] if call.secure else [plain]


def _set(name: str, value: str, lives_s: float, same_site: str, *, secure: bool) -> str:
    end = "; Secure" if secure else ""
    return f"{name}={value}; Path=/; Max-Age={int(lives_s)}; HttpOnly; SameSite={same_site}{end}"


def is_own_page(call: Call) -> bool:
    """Whether a browser says that a page of this very origin asks: Sec-Fetch-Site, which pages cannot set, or, where it
    is not sent (http by another name than localhost), an Origin of the Host that is asked."""
    site = call.headers.get(b"sec-fetch-site")
    if site is not None:
        return site == b"same-origin"
    return _host_of(call.header(b"origin")) == call.header(b"host").lower()


def may_look(call: Call) -> bool:
    """Whether a session counts at all: not for what a page of another origin has a browser ask for, pictures and
    frames included. Who types an address, or is no browser, says `none` or nothing."""
    site = call.headers.get(b"sec-fetch-site")
    if call.method not in SAFE or site is None:
        return True
    return site in {b"same-origin", b"none"}


def may_change(call: Call) -> bool:
    """Whether a session counts for a request that may change something: from a page of ours, and no form."""
    if call.method in SAFE:
        return True
    return is_own_page(call) and not (_has_body(call) and content_type(call) in _FORMS)


def content_type(call: Call) -> str:
    """The media type of the body, without its parameters, in lower case."""
    return call.header(b"content-type").partition(";")[0].strip().lower()


def _has_body(call: Call) -> bool:
    return call.headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in call.headers


def _host_of(origin: str) -> str | None:
    """The host and port of an origin; None of what is none (`null`)."""
    scheme, found, host = origin.partition("://")
    return host.lower() if found and scheme in {"http", "https"} else None
