"""The bodies of services, as far as they are known: the gateway neither reads nor changes them. All schemas are open, a
service may add fields."""

from __future__ import annotations

from blueprints.docs.openapi.nodes import Node, ref

INTERVIEW_STATUSES = ("scheduled", "in_progress", "completed", "cancelled")


def _text(description: str, **more: object) -> Node:
    return {"type": "string", "description": description, **more}


def _open(description: str, required: tuple[str, ...], **properties: Node) -> Node:
    return {"type": "object", "description": description, "required": list(required), "properties": properties}


def _list(description: str, schema: str, **more: Node) -> Node:
    items = {"type": "array", "items": ref("schemas", schema)}
    return _open(description, ("items", *more), items=items, **more)


_AT = _text("UTC, ISO 8601.", format="date-time")
_STATUS = _text("The status of the interview.", enum=list(INTERVIEW_STATUSES))
_NAMES: Node = {
    "firstName": _text("The given name."),
    "lastName": _text("The family name."),
    "headline": _text("The user's profession, in one line."),
    "phone": _text("The phone number."),
}
_DETAILS: Node = {
    "profile": _open("More about the user.", (), fullName=_text("The full name.")),
    "stats": {
        "type": "object",
        "description": "Counts of the user's activities, by name.",
        "additionalProperties": {"type": "number"},
    },
}

SERVICE_BODIES: Node = {
    "Profile": _open(
        "The profile of a user.",
        ("id",),
        id=_text("The user's id."),
        email={"type": ["string", "null"], "description": "The email address, if it is known."},
        roles={"type": "array", "items": {"type": "string"}, "description": "The user's roles."},
        **_NAMES,
        **_DETAILS,
    ),
    "ProfileChanges": _open("Changes of a profile.", (), **_NAMES),
    "Interview": _open(
        "An interview.",
        ("id", "title", "status"),
        id=_text("Its id."),
        title=_text("The title."),
        status=_STATUS,
        notes=_text("Notes."),
        createdAt=_AT,
        updatedAt=_AT,
    ),
    "NewInterview": _open(
        "A new interview.",
        ("title",),
        title=_text("The title.", minLength=1, maxLength=200, pattern=r"\S"),
        status=_STATUS,
        notes=_text("Notes.", maxLength=5000),
    ),
    "InterviewChanges": _open(
        "Changes of an interview.",
        (),
        title=_text("The title.", minLength=1, maxLength=200, pattern=r"\S"),
        status=_STATUS,
        notes=_text("Notes.", maxLength=5000),
    ),
    "Interviews": _list(
        "A page of interviews.",
        "Interview",
        total={"type": "integer", "description": "The total number of interviews."},
    ),
    "Question": _open(
        "A question of an interview.", ("id", "text"), id=_text("Its id."), text=_text("The question."), createdAt=_AT
    ),
    "NewQuestion": _open(
        "A new question.",
        ("text",),
        text=_text("The question.", minLength=1, maxLength=1000, pattern=r"\S"),
    ),
    "Questions": _list("The questions of an interview.", "Question"),
    "StoredFile": _open(
        "A stored file.",
        ("name", "size"),
        name=_text("Its name."),
        size={"type": "integer", "minimum": 0, "description": "Its size in bytes."},
        type=_text("Its media type."),
        storedAt=_AT,
    ),
    "StoredFiles": _list("The caller's files.", "StoredFile"),
}
