"""`/interviews` and everything below an interview."""

from __future__ import annotations

from blueprints.docs.openapi import samples
from blueprints.docs.openapi.headers import asked, parameters, segment
from blueprints.docs.openapi.nodes import Node
from blueprints.docs.openapi.operations import everything, forwarded, passed_on
from blueprints.docs.openapi.responses import answered, empty
from blueprints.docs.openapi.service_bodies import INTERVIEW_STATUSES

TAG: Node = {
    "name": "Interviews",
    "description": "Interviews and their parts, stored by the interview service. Every path below an interview is"
    " forwarded, at any depth; two levels are described here.",
}

ID = segment("id", "The interview.", samples.INTERVIEW_ID)
QUESTION = segment("question", "The question.", samples.QUESTION_ID)
PART = segment("part", "A collection of the interview.", "answers")
ITEM = segment("item", "An item of the collection.", "1")
_PAGE = [
    asked("status", "Only interviews with this status.", "scheduled", enum=list(INTERVIEW_STATUSES)),
    asked("limit", "Maximum number of interviews.", 10, type="integer", minimum=1, maximum=100),
    asked("offset", "Number of interviews to skip.", 0, type="integer", minimum=0, maximum=2**31 - 1),
]


def _reads(operation_id: str, summary: str, answer: Node, parameters: list[Node] | None = None) -> Node:
    return forwarded(TAG["name"], operation_id, summary, {"200": answer}, parameters=parameters)


def _writes(operation_id: str, summary: str, status: str, answer: Node, body: Node | None = None) -> Node:
    return forwarded(TAG["name"], operation_id, summary, {status: answer}, body=body, writes=True)


def paths(max_body: int) -> Node:
    """The paths of the interview service; `max_body` in bytes."""
    shared = parameters("Traceparent")
    new = passed_on(max_body, samples.NEW_INTERVIEW, "NewInterview")
    changes = passed_on(max_body, {"status": "completed"}, "InterviewChanges")
    one, gone = answered("The interview.", samples.INTERVIEW, "Interview"), empty("The interview was deleted.")
    created = answered("The new interview.", samples.INTERVIEW, "Interview", headers=("Location",))
    return {
        "/interviews": {
            "parameters": shared,
            "get": _reads(
                "listInterviews", "List interviews",
                answered("A page, newest first.", samples.INTERVIEW_PAGE, "Interviews"), parameters=_PAGE,
            ),
            "post": _writes("createInterview", "Create an interview", "201", created, new),
        },
        "/interviews/{id}": {
            "parameters": [ID, *shared],
            "get": _reads("readInterview", "Read an interview", one),
            "put": _writes("replaceInterview", "Replace an interview", "200", one, new),
            "patch": _writes("changeInterview", "Change fields of an interview", "200", one, changes),
            "delete": _writes("deleteInterview", "Delete an interview", "204", gone),
        },
        **_questions(max_body, shared, gone),
        "/interviews/{id}/{part}": {
            "parameters": [ID, PART, *shared],
            **everything(TAG["name"], "UnderInterview", "a collection of an interview", max_body),
        },
        "/interviews/{id}/{part}/{item}": {
            "parameters": [ID, PART, ITEM, *shared],
            **everything(TAG["name"], "ItemUnderInterview", "an item of a collection", max_body),
        },
    }  # fmt: skip


def _questions(max_body: int, shared: list[Node], gone: Node) -> Node:
    question = passed_on(max_body, samples.NEW_QUESTION, "NewQuestion")
    asked_now = answered("The new question.", samples.ASKED, "Question")
    return {
        "/interviews/{id}/questions": {
            "parameters": [ID, *shared],
            "get": _reads("listQuestions", "List the questions of an interview",
                          answered("All questions.", samples.QUESTIONS, "Questions")),
            "post": _writes("createQuestion", "Ask a question", "201", asked_now, question),
        },
        "/interviews/{id}/questions/{question}": {
            "parameters": [ID, QUESTION, *shared],
            "delete": _writes("deleteQuestion", "Withdraw a question", "204", gone),
        },
    }  # fmt: skip
