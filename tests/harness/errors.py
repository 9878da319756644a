"""The one shape of every error (the Error of /openapi.json), checked in full wherever a test meets one."""

import re

from harness.http import Answer

KEYS = {"statusCode", "message", "error", "code", "timestamp", "path", "traceId"}
CODE = re.compile(r"[a-z]+(_[a-z]+)*")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
PHRASES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
    508: "Loop Detected",
}
MESSAGES = {
    401: {"Unauthorized", "Token expired"},
    403: {"Forbidden"},
    404: {"Not found"},
    405: {"Method not allowed"},
    413: {"Payload too large"},
    429: {"Too many requests"},
    500: {"Internal server error"},
    502: {"Bad gateway"},
    503: {"Service unavailable"},
    504: {"Gateway timeout"},
}
REASON_PHRASE_ALONE = {408, 415, 501, 508}
STRANGERS = re.compile(
    r"traceback|werkzeug|gunicorn|gevent|urllib3|requests\.|joserfc|\.py\b|127\.0\.0\.1|localhost",
    re.IGNORECASE,
)


def check_error(answer: Answer, status: int | None = None, message: str | None = None, path: str | None = None) -> None:
    """The answer is an error of the gateway's own, of this status, message and path where they are given."""
    shown = f"{answer.status} {answer.headers} {answer.body[:500]!r}"
    assert status in (None, answer.status), f"not {status}: {shown}"
    assert (answer.header("Content-Type") or "").partition(";")[0] == "application/json", shown
    assert answer.header("X-Content-Type-Options") == "nosniff", shown
    assert "origin" in ",".join(answer.all("Vary")).lower(), shown
    assert not STRANGERS.search(answer.text), shown
    body = answer.json()
    assert isinstance(body, dict) and set(body) == KEYS, shown
    assert body["statusCode"] == answer.status, shown
    assert body["error"] == PHRASES[answer.status], shown
    assert CODE.fullmatch(body["code"]), shown
    assert isinstance(body["message"], str) and body["message"], shown
    assert body["message"] in MESSAGES.get(answer.status, {body["message"]}), shown
    if answer.status in REASON_PHRASE_ALONE:
        assert body["message"].lower() == PHRASES[answer.status].lower(), shown
    assert TIMESTAMP.fullmatch(body["timestamp"]), shown
    assert TRACE_ID.fullmatch(body["traceId"]), shown
    assert isinstance(body["path"], str) and "?" not in body["path"], shown
    assert message in (None, body["message"]), f"not {message!r}: {shown}"
    assert path in (None, body["path"]), f"not {path!r}: {shown}"
    check_headers(answer, shown)


def check_headers(answer: Answer, shown: str) -> None:
    if answer.status == 401:
        assert (answer.header("WWW-Authenticate") or "").startswith("Bearer"), shown
    if answer.status == 405:
        assert answer.header("Allow"), shown
    if answer.status in (429, 503):
        assert (answer.header("Retry-After") or "").isdigit(), shown


def check_refused(answer: Answer, message: str = "Unauthorized") -> None:
    """401 for credentials that came and are no good (RFC 6750 section 3.1)."""
    check_error(answer, 401, message)
    assert 'error="invalid_token"' in (answer.header("WWW-Authenticate") or ""), answer.headers
