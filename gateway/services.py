"""The one table of services: everything that is said of a service anywhere is read from its row.

A new service is a row here, its blueprint, and its page of the API description (see CONTRIBUTING.md).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service behind the gateway.

    `name` stands in logs and metrics, `health_name` in `/health`, `setting` holds its base URLs. `path` is what it
    owns. A service that is not `required` may be left unconfigured: its paths are 404 then. `uploads`: its bodies are
    bounded by MAX_UPLOAD_BYTES and its answers may stream for as long as they flow. `response_defaults` (lower-case
    names) are header fields of its answers where it sets none itself.
    """

    name: str
    health_name: str
    setting: str
    path: str
    required: bool = True
    uploads: bool = False
    response_defaults: tuple[tuple[str, str], ...] = ()

    @property
    def description(self) -> str:
        """What the table of settings says."""
        text = f"Base URL of the service behind `{self.path}`"
        if self.required:
            return text + "; several instances separated by commas."
        return text + f"; unset: `{self.path}` is 404."


UPLOADS_POLICY = (
    "default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'; sandbox allow-same-origin"
)
"""Uploads are other people's files: a page or an SVG runs no script and loads, frames and posts nothing, while video,
audio, images and PDF open. A sandbox without `allow-same-origin` would ask for a video without its cookie."""

USERS = ServiceSpec("user-service", "userService", "USER_SERVICE_URL", "/users")
INTERVIEWS = ServiceSpec("interview-service", "interviewService", "INTERVIEW_SERVICE_URL", "/interviews")
MEDIA = ServiceSpec(
    "media-service",
    "mediaService",
    "MEDIA_SERVICE_URL",
    "/media",
    required=False,
    uploads=True,
    response_defaults=(("x-content-type-options", "nosniff"), ("content-security-policy", UPLOADS_POLICY)),
)

SERVICES = (USERS, INTERVIEWS, MEDIA)
