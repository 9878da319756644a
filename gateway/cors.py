"""The headers that CORS allows by default."""

from __future__ import annotations

_TUS_REQUEST = (
    "Tus-Resumable",
    "Upload-Length",
    "Upload-Offset",
    "Upload-Metadata",
    "Upload-Concat",
    "Upload-Complete",
)
_TUS_RESPONSE = (
    "Tus-Resumable",
    "Tus-Version",
    "Tus-Extension",
    "Tus-Max-Size",
    "Upload-Length",
    "Upload-Offset",
    "Upload-Metadata",
    "Upload-Concat",
    "Upload-Expires",
    "Upload-Complete",
    "Upload-Limit",
)

ALLOWED_HEADERS = (
    "Content-Type",
    "Authorization",
    "traceparent",
    "tracestate",
    "If-Match",
    "If-None-Match",
    "If-Modified-Since",
    "If-Unmodified-Since",
    "If-Range",
    "Range",
    "Last-Event-ID",
    "X-Request-Id",
    "Idempotency-Key",
    *_TUS_REQUEST,
)
"""Request headers; CORS_ALLOW_HEADERS adds to them."""

EXPOSED_HEADERS = (
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-Id",
    "ETag",
    "Location",
    "Link",
    "X-Total-Count",
    "Accept-Ranges",
    "Content-Range",
    "Content-Encoding",
    "Content-Disposition",
    "Proxy-Status",
    *_TUS_RESPONSE,
)
"""Response headers; CORS_EXPOSE_HEADERS adds to them."""

MAX_AGE_SECONDS = 600
"""How long a browser may cache the response to a preflight."""
