"""The values of all examples: one user, one interview, one file, one time."""

from __future__ import annotations

from blueprints.docs.openapi.nodes import Node

MOMENT = "2026-11-23T09:30:00.000Z"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
REQUEST_ID = "9c1f0b7e5d2a4c6f8e3b1a0d7c5e9f42"

SIGNED_IN_USER: Node = {
    "id": "7f3c2a10-5b8e-4d7a-9c41-2f6e8b0d1a35",
    "email": "cora@example.com",
    "firstName": "Cora",
    "lastName": "Nguyen",
    "roles": ["candidate"],
}
PROFILE: Node = {**SIGNED_IN_USER, "profile": {"fullName": "Cora Nguyen"}, "stats": {"interviews": 3}}
CHANGES: Node = {"firstName": "Cora", "lastName": "Nguyen"}
SESSION: Node = {"authenticated": True, "user": SIGNED_IN_USER, "expiresIn": 287}

# They look like tokens, but are not usable.
ACCESS_TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiI3ZjNjIn0.c2ln"  # noqa: S105
REFRESH_TOKEN = "eyJhbGciOiJIUzUxMiJ9.eyJ0eXAiOiJSZWZyZXNoIn0.c2ln"  # noqa: S105
LOGOUT_TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzaWQiOiIyYzlhIn0.c2ln"  # noqa: S105
STATE = "Zk0nWmVwMmc3T0lHbXlZb1NQd2VJd1JkUWxNbFNfS2M"
LOGIN: Node = {"returnTo": "/interviews"}
LOGIN_BEGUN: Node = {
    "authUrl": "https://keycloak.example.com/realms/ai-video-interview/protocol/openid-connect/auth?response_type=code",
    "state": STATE,
}
REFRESHED: Node = {"accessToken": ACCESS_TOKEN, "refreshToken": REFRESH_TOKEN, "expiresIn": 300}
SIGNED_IN: Node = {**REFRESHED, "tokenType": "Bearer"}
LOGGED_OUT: Node = {
    "message": "Logged out successfully",
    "endSessionUrl": "https://keycloak.example.com/realms/ai-video-interview/protocol/openid-connect/logout",
}

INTERVIEW_ID = "0b6f5c1e-93d4-4a2f-8e57-c1d09a7b4e62"
NEW_INTERVIEW: Node = {"title": "Backend engineer, first round", "status": "scheduled"}
INTERVIEW: Node = {"id": INTERVIEW_ID, **NEW_INTERVIEW, "createdAt": MOMENT, "updatedAt": MOMENT}
INTERVIEW_PAGE: Node = {"items": [INTERVIEW], "total": 1}

NEW_QUESTION: Node = {"text": "What happens when you type an address into a browser?"}
QUESTION_ID = "e2d1"
ASKED: Node = {"id": QUESTION_ID, **NEW_QUESTION, "createdAt": MOMENT}
QUESTIONS: Node = {"items": [ASKED]}

FILE = "answer-1.vtt"
FILE_TEXT = "WEBVTT\n\n00:00.000 --> 00:02.500\nHello, I am Cora.\n"
STORED: Node = {"name": FILE, "size": len(FILE_TEXT), "type": "text/vtt", "storedAt": MOMENT}
FILES: Node = {"items": [STORED]}
