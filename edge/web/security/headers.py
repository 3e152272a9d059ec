"""The headers of every answer."""

from __future__ import annotations

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)

_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # The camera: of a phone that photographs a slide.
    "permissions-policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
}
_UNLESS_SET = {"cache-control": "no-store"}
_TLS_ONLY = {"strict-transport-security": "max-age=31536000"}


def with_headers(headers: list[tuple[bytes, bytes]], *, tls: bool) -> list[tuple[bytes, bytes]]:
    """Return an answer's headers with those of every answer; where it says how it is kept, that stays."""
    known = {name.lower() for name, _ in headers}
    ours = {**_UNLESS_SET, **_HEADERS, **(_TLS_ONLY if tls else {})}
    left = [(name.encode(), value.encode()) for name, value in ours.items() if name.encode() not in known]
    return [*headers, *left]
