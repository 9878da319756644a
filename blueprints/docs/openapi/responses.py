"""Answers: every error the gateway has, each once, and the frame of a service's answer."""

from __future__ import annotations

from dataclasses import dataclass

from blueprints.docs.openapi import samples
from blueprints.docs.openapi.headers import fields
from blueprints.docs.openapi.nodes import JSON, Node, content, ref
from gateway import errors


@dataclass(frozen=True)
class Refusal:
    """An error status: when it is answered, the sentences a client reads, the headers beside the usual ones."""

    status: int
    when: str
    messages: tuple[str, ...]
    headers: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name among the components: the reason phrase in one word."""
        return errors.reason(self.status).replace(" ", "")

    def response(self, when: str = "", *headers: str, schema: str = "Error") -> Node:
        """Its component; or the same for one call, which says when, and has more `headers`, or another `schema`."""
        examples = {
            said.title().replace(" ", ""): {"summary": said, "value": self._body(said)} for said in self.messages
        }
        return {
            "description": when or self.when,
            "headers": fields("Cache-Control", *self.headers, *headers),
            "content": {JSON: {"schema": ref("schemas", schema), "examples": examples}},
        }

    def or_the_services(self) -> Node:
        """Its component where the call is forwarded: the service may answer with this status too, as it likes."""
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
"""A service's error that is no JSON."""

REFUSALS = (
    Refusal(
        400,
        "The request is malformed, or its target could be read in two ways: dot segments, encoded slashes,"
        " bytes that are no UTF-8. On `/auth` also a body or parameter that can not be used, which `message` names.",
        (errors.BadRequest.message,),
    ),
    Refusal(
        401,
        "Neither a bearer token nor a session cookie came, or it is not valid here. A token that was valid once is told"
        " apart, so that a client knows to refresh it.",
        (errors.Unauthorized.message, "Token expired"),
        ("WWW-Authenticate",),
    ),
    Refusal(
        403,
        "The user may not do this. Or the session cookie came with a write that no page of the frontend makes: `Origin`"
        " is another's, or not there, and `Sec-Fetch-Site` is not `same-origin`; bearer tokens are not asked for it.",
        (errors.Forbidden.message,),
    ),
    Refusal(404, "There is no such path.", (errors.NotFound.message,)),
    Refusal(405, "The path does not have this method.", (errors.message_of(405),), ("Allow",)),
    Refusal(408, "The head or the body of the request came too slowly.", (errors.RequestTimeout.message,)),
    Refusal(413, "The body is larger than this route takes.", (errors.PayloadTooLarge.message,)),
    Refusal(414, "The request target is too long.", (errors.message_of(414),)),
    Refusal(415, "The body is not said to be `application/json`.", (errors.UnsupportedMediaType.message,)),
    Refusal(417, "`Expect` says something else than `100-continue`.", (errors.message_of(417),)),
    Refusal(429, "A rate limit is used up.", (errors.TooManyRequests.message,), ("Retry-After",)),
    Refusal(431, "The header fields are too large, or too many.", (errors.message_of(431),)),
    Refusal(500, "A fault of the gateway's own; `traceId` finds it in the log.", (errors.message_of(500),)),
    Refusal(501, "Nobody knows this method or transfer coding.", (errors.UnknownMethod.message,)),
    Refusal(
        502,
        "The service could not be reached, broke off, or spoke no HTTP. On `/auth`: Keycloak failed, or refused the"
        " gateway itself.",
        (errors.BadGateway.message,),
        ("Proxy-Status",),
    ),
    Refusal(
        503,
        "The service is not to be called now: too many calls are under way, or it did not answer lately. Or Keycloak is"
        " needed and can not be reached, or its keys were not read yet.",
        (errors.ServiceUnavailable.message,),
        ("Retry-After", "Proxy-Status"),
    ),
    Refusal(
        504, "The service, or on `/auth` Keycloak, was too slow.", (errors.GatewayTimeout.message,), ("Proxy-Status",)
    ),
    Refusal(508, "The request came through this gateway before.", (errors.LoopDetected.message,), ("Proxy-Status",)),
)
_NAMES = {refusal.status: refusal.name for refusal in REFUSALS}

ANYWHERE = (400, 408, 414, 417, 431, 500, 501, 508)
"""What any request may get, whatever its path and method; unknown ones get 404 and 405."""

OF_COUNTING = (429,)
"""What a request may get that is counted by a rate limit."""

OF_FORWARDING = (401, 413, 502, 503, 504)
"""What a request that is forwarded may get besides."""

OF_WRITING = (403,)
"""And what it may get where it changes something."""

OF_FORWARDED = frozenset((*ANYWHERE, *OF_COUNTING, *OF_FORWARDING, *OF_WRITING))

OR_THE_SERVICES = "OrTheServices"
"""Ends the names of errors that may be a service's as well as the gateway's."""


def refused(*statuses: int) -> Node:
    """References to errors by status, as a part of an operation's `responses`."""
    return {str(status): ref("responses", _NAMES[status]) for status in sorted(statuses)}


def refused_or_passed_on(*statuses: int) -> Node:
    """The same where the call is forwarded: the service may answer with these statuses too, in its own shape."""
    return {str(status): ref("responses", _NAMES[status] + OR_THE_SERVICES) for status in sorted(statuses)}


def refused_here(status: int, when: str, *headers: str) -> Node:
    """An error of one call that is more than its status: when it comes, and the `headers` it may have besides."""
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
    """An answer of a service, which the gateway passes on as it came; `schema` is what it usually is."""
    return {
        "description": description,
        "headers": fields("Cache-Control", *headers),
        "content": content(ref("schemas", schema), example, media_type),
    }


def answered_here(description: str, schema: str, example: Node, *headers: str) -> Node:
    """An answer of the gateway's own that nobody may keep, its body as the schema of this name says."""
    return {
        "description": description,
        "headers": fields("Cache-Control", *headers),
        "content": content(ref("schemas", schema), example),
    }


def empty(description: str, *headers: str) -> Node:
    """An answer without a body."""
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
            "description": "The service's own answer, as it was: status, headers, body.",
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
