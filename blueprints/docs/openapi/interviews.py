"""`/interviews` and everything under one of them."""

from __future__ import annotations

from blueprints.docs.openapi import samples
from blueprints.docs.openapi.headers import SEGMENTS, parameters, segment
from blueprints.docs.openapi.nodes import Node
from blueprints.docs.openapi.operations import forwarded, passed_on
from blueprints.docs.openapi.responses import answered, empty

TAG: Node = {"name": "Interviews", "description": "Interviews and what belongs to them, kept by the interview service."}

ID = segment("id", "The interview.", samples.INTERVIEW_ID)
REST = segment(
    "rest",
    "Whatever the service has under an interview, of one segment or more, with plain slashes: an encoded one is 400.",
    samples.REST,
    pattern=SEGMENTS,
)


def _reads(operation_id: str, summary: str, answer: Node) -> Node:
    return forwarded(TAG["name"], operation_id, summary, {"200": answer})


def _writes(operation_id: str, summary: str, status: str, answer: Node, body: Node | None = None) -> Node:
    return forwarded(TAG["name"], operation_id, summary, {status: answer}, body=body, writes=True)


def paths(max_body: int) -> Node:
    """The paths of the interview service; `max_body` in bytes."""
    shared = parameters("Query", "Traceparent")
    new, question = passed_on(max_body, samples.NEW_INTERVIEW), passed_on(max_body, samples.QUESTION)
    one, gone = answered("The interview.", samples.INTERVIEW), empty("It is no more.")
    created = answered("The new interview.", samples.INTERVIEW, headers=("Location",))
    below = answered("What the service says.", samples.QUESTIONS)
    return {
        "/interviews": {
            "parameters": shared,
            "get": _reads("listInterviews", "List interviews", answered("A page.", samples.INTERVIEWS)),
            "post": _writes("createInterview", "Create an interview", "201", created, new),
        },
        "/interviews/{id}": {
            "parameters": [ID, *shared],
            "get": _reads("readInterview", "Read an interview", one),
            "put": _writes("replaceInterview", "Replace an interview", "200", one, new),
            "patch": _writes("changeInterview", "Change parts of an interview", "200", one, new),
            "delete": _writes("deleteInterview", "Delete an interview", "204", gone),
        },
        "/interviews/{id}/{rest}": {
            "parameters": [ID, REST, *shared],
            "get": _reads("readUnderInterview", "Read what is under an interview", below),
            "post": _writes("createUnderInterview", "Create something under an interview", "201", below, question),
            "put": _writes("replaceUnderInterview", "Replace something under an interview", "200", below, question),
            "patch": _writes("changeUnderInterview", "Change something under an interview", "200", below, question),
            "delete": _writes("deleteUnderInterview", "Delete something under an interview", "204", gone),
        },
    }
