"""What the services and their clients say to each other, as far as it is known: the gateway neither reads nor changes
it. All are open, a service may say more."""

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


_AT = _text("When: UTC, ISO 8601.", format="date-time")
_STATUS = _text("How far it is.", enum=list(INTERVIEW_STATUSES))
_NAMES: Node = {
    "firstName": _text("The given name."),
    "lastName": _text("The family name."),
    "headline": _text("What the user does, in a line."),
    "phone": _text("The telephone number."),
}
_DETAILS: Node = {
    "profile": _open("More about the user.", (), fullName=_text("The whole name.")),
    "stats": {
        "type": "object",
        "description": "Counts of what the user did, by name.",
        "additionalProperties": {"type": "number"},
    },
}

SERVICE_BODIES: Node = {
    "Profile": _open(
        "A user, as the user service knows them.",
        ("id",),
        id=_text("The user's id."),
        email={"type": ["string", "null"], "description": "The address, where it is known."},
        roles={"type": "array", "items": {"type": "string"}, "description": "The user's roles."},
        **_NAMES,
        **_DETAILS,
    ),
    "ProfileChanges": _open("What is to be changed of a profile.", (), **_NAMES),
    "Interview": _open(
        "An interview.",
        ("id", "title", "status"),
        id=_text("Its id."),
        title=_text("What it is called."),
        status=_STATUS,
        notes=_text("Notes on it."),
        createdAt=_AT,
        updatedAt=_AT,
    ),
    "NewInterview": _open(
        "An interview that is to be.",
        ("title",),
        title=_text("What it is called.", minLength=1, maxLength=200, pattern=r"\S"),
        status=_STATUS,
        notes=_text("Notes on it.", maxLength=5000),
    ),
    "InterviewChanges": _open(
        "What is to be changed of an interview.",
        (),
        title=_text("What it is called.", minLength=1, maxLength=200, pattern=r"\S"),
        status=_STATUS,
        notes=_text("Notes on it.", maxLength=5000),
    ),
    "Interviews": _list(
        "A page of interviews.", "Interview", total={"type": "integer", "description": "How many there are in all."}
    ),
    "Question": _open(
        "A question of an interview.", ("id", "text"), id=_text("Its id."), text=_text("The question."), createdAt=_AT
    ),
    "NewQuestion": _open(
        "A question that is to be.",
        ("text",),
        text=_text("The question.", minLength=1, maxLength=1000, pattern=r"\S"),
    ),
    "Questions": _list("The questions of an interview.", "Question"),
    "StoredFile": _open(
        "A file that is stored.",
        ("name", "size"),
        name=_text("Its name."),
        size={"type": "integer", "minimum": 0, "description": "Its length in bytes."},
        type=_text("Its media type."),
        storedAt=_AT,
    ),
    "StoredFiles": _list("The caller's files.", "StoredFile"),
}
