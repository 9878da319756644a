"""The table of services: all facts about a service are read from its row.

A new service is a row here, its blueprint, and its page of the API description (see CONTRIBUTING.md).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service behind the gateway.

    `name` is used in logs and metrics, `health_name` in `/health`, `setting` contains its base URLs. `path` is the
    path that it owns. If a service is not `required` and not configured, its paths are 404. `uploads`: its bodies are
    bounded by MAX_UPLOAD_BYTES, and its responses may be streamed for any length of time. `response_defaults`
    (lower-case names) are header fields that are added unless the service sets them.
    """

    name: str
    health_name: str
    setting: str
    path: str
    required: bool = True
    uploads: bool = False
    response_defaults: tuple[tuple[str, str], ...] = ()

    @property
    def openapi_setting(self) -> str:
        """The setting that holds the address of its own API description."""
        return self.setting.removesuffix("_URL") + "_OPENAPI_URL"

    @property
    def description(self) -> str:
        """The description of the setting."""
        text = f"Base URL of the service behind `{self.path}`"
        if self.required:
            return text + "; several instances separated by commas."
        return text + f"; unset: `{self.path}` is 404."


UPLOADS_POLICY = (
    "default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'; sandbox allow-same-origin"
)
"""The policy of uploads, which are not trusted: a page or an SVG runs no script and loads, frames and posts nothing,
while video, audio, images and PDF open. In a sandbox without `allow-same-origin`, a video would be requested without
its cookie."""

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
