"""Responses: every error of the gateway, and the frame of a service's response."""

from __future__ import annotations

from dataclasses import dataclass

from blueprints.docs.openapi import samples
from blueprints.docs.openapi.headers import fields
from blueprints.docs.openapi.nodes import JSON, Node, content, ref
from gateway import errors


@dataclass(frozen=True)
class Refusal:
    """An error status: when it is used, its messages, its additional headers."""

    status: int
    when: str
    messages: tuple[str, ...]
    headers: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name among the components: the reason phrase in one word."""
        return errors.reason(self.status).replace(" ", "")

    def response(self, when: str = "", *headers: str, schema: str = "Error") -> Node:
        """Its component; or the same for one call, with another description, more `headers`, or another `schema`."""
        examples = {
            said.title().replace(" ", ""): {"summary": said, "value": self._body(said)} for said in self.messages
        }
        return {
            "description": when or self.when,
            "headers": fields("Cache-Control", *self.headers, *headers),
            "content": {JSON: {"schema": ref("schemas", schema), "examples": examples}},
        }

    def or_the_services(self) -> Node:
        """Its component for a forwarded call: the service may use this status too, with any body."""
        response = self.response(schema="ErrorOnTheWay")
        return {**response, "content": {**response["content"], **_AS_IT_LIKES}}

    @property
    def code(self) -> errors.ErrorCode:
        return errors.code_of(self.status)

    def _body(self, message: str) -> Node:
        return {
            **errors.body(self.status, message, self.code, "/users/me", samples.TRACE_ID),
            "timestamp": samples.MOMENT,
        }


_AS_IT_LIKES = content({"type": "string"}, "<h1>Bad gateway</h1>", "*/*")
"""A service's error that is not JSON."""

REFUSALS = (
    Refusal(
        400,
        "The request is malformed, or its target is ambiguous: dot segments, encoded slashes, invalid UTF-8. On `/auth`"
        " also an invalid body or parameter, which `message` names.",
        (errors.BadRequest.message,),
    ),
    Refusal(
        401,
        "The request has neither a bearer token nor a session cookie, or it is not valid here. An expired token has its"
        " own message, so that a client knows to refresh it.",
        (errors.Unauthorized.message, "Token expired"),
        ("WWW-Authenticate",),
    ),
    Refusal(
        403,
        "The user lacks the permission. Or a write with the session cookie did not come from a page of the frontend:"
        " `Origin` is wrong, or missing while `Sec-Fetch-Site` is not `same-origin`. Bearer tokens need no `Origin`.",
        (errors.Forbidden.message,),
    ),
    Refusal(404, "Unknown path.", (errors.NotFound.message,)),
    Refusal(405, "The path does not support this method.", (errors.message_of(405),), ("Allow",)),
    Refusal(408, "The head or the body of the request arrived too slowly.", (errors.RequestTimeout.message,)),
    Refusal(413, "The body is larger than this route accepts.", (errors.PayloadTooLarge.message,)),
    Refusal(414, "The request target is too long.", (errors.message_of(414),)),
    Refusal(415, "The content type of the body is not `application/json`.", (errors.UnsupportedMediaType.message,)),
    Refusal(417, "`Expect` is not `100-continue`.", (errors.message_of(417),)),
    Refusal(429, "A rate limit is exceeded.", (errors.TooManyRequests.message,), ("Retry-After",)),
    Refusal(431, "The header fields are too large, or too many.", (errors.message_of(431),)),
    Refusal(500, "A bug of the gateway; find it in the log by `traceId`.", (errors.message_of(500),)),
    Refusal(501, "The method or transfer coding is unknown.", (errors.UnknownMethod.message,)),
    Refusal(
        502,
        "The service could not be reached, closed the connection, or sent invalid HTTP. On `/auth`: Keycloak failed, or"
        " refused the gateway itself.",
        (errors.BadGateway.message,),
        ("Proxy-Status",),
    ),
    Refusal(
        503,
        "The service cannot be called now: too many calls are in flight, or it failed repeatedly. Or Keycloak is needed"
        " and cannot be reached, or its keys have not been read yet.",
        (errors.ServiceUnavailable.message,),
        ("Retry-After", "Proxy-Status"),
    ),
    Refusal(
        504, "The service, or on `/auth` Keycloak, was too slow.", (errors.GatewayTimeout.message,), ("Proxy-Status",)
    ),
    Refusal(508, "The request already passed through this gateway.", (errors.LoopDetected.message,), ("Proxy-Status",)),
)
_NAMES = {refusal.status: refusal.name for refusal in REFUSALS}

ANYWHERE = (400, 408, 414, 417, 431, 500, 501, 508)
"""Errors of any request, regardless of path and method; unknown ones get 404 and 405."""

OF_COUNTING = (429,)
"""Errors of requests that count for a rate limit."""

OF_FORWARDING = (401, 413, 502, 503, 504)
"""Further errors of forwarded requests."""

OF_WRITING = (403,)
"""Further errors of forwarded writes."""

OF_FORWARDED = frozenset((*ANYWHERE, *OF_COUNTING, *OF_FORWARDING, *OF_WRITING))

OR_THE_SERVICES = "OrTheServices"
"""Suffix of the names of errors that can be the service's or the gateway's."""


def refused(*statuses: int) -> Node:
    """References to errors by status, as a part of an operation's `responses`."""
    return {str(status): ref("responses", _NAMES[status]) for status in sorted(statuses)}


def refused_or_passed_on(*statuses: int) -> Node:
    """The same for a forwarded call: the service may use these statuses too, in its own format."""
    return {str(status): ref("responses", _NAMES[status] + OR_THE_SERVICES) for status in sorted(statuses)}


def refused_here(status: int, when: str, *headers: str) -> Node:
    """An error with its own description for one call, and additional `headers`."""
    (refusal,) = (refusal for refusal in REFUSALS if refusal.status == status)
    return refusal.response(when, *headers)


def answered(
    description: str,
    example: object,
    schema: str = "Forwarded",
    *,
    media_type: str = JSON,
    headers: tuple[str, ...] = (),
) -> Node:
    """A response of a service, passed through unchanged; `schema` is the usual one."""
    return {
        "description": description,
        "headers": fields("Cache-Control", *headers),
        "content": content(ref("schemas", schema), example, media_type),
    }


def answered_here(description: str, schema: str, example: Node, *headers: str) -> Node:
    """A response of the gateway itself, not cacheable, with a body of the named schema."""
    return {
        "description": description,
        "headers": fields("Cache-Control", *headers),
        "content": content(ref("schemas", schema), example),
    }


def empty(description: str, *headers: str) -> Node:
    """A response without a body."""
    return {"description": description, "headers": fields(*headers)}


def responses() -> Node:
    """`components.responses`."""
    return {
        **{refusal.name: refusal.response() for refusal in REFUSALS},
        **{
            refusal.name + OR_THE_SERVICES: refusal.or_the_services()
            for refusal in REFUSALS
            if refusal.status in OF_FORWARDED
        },
        "OfTheService": {
            "description": "The service's own response, unchanged: status, headers, body.",
            "headers": fields("Cache-Control"),
            "content": {
                **content(
                    ref("schemas", "ErrorOnTheWay"),
                    {"statusCode": 404, "error": "Not Found", "message": "no such interview"},
                ),
                **_AS_IT_LIKES,
            },
        },
    }
