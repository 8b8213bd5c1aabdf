"""What the browser may load and run on a page of the dashboard, as strict as it gets: nothing inline, nothing foreign.

https://www.w3.org/TR/CSP3/, https://w3c.github.io/trusted-types/dist/spec/
"""

from __future__ import annotations

DIRECTIVES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "worker-src": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "default",
}
PAGE = "; ".join(f"{name} {sources}" for name, sources in DIRECTIVES.items())
"""The header's value for the page shell."""

HEADERS = {
    "Content-Security-Policy": PAGE,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
"""Of the page shell; the door adds those of every answer."""
