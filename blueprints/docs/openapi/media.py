"""`/media`, if a media service is configured."""

from __future__ import annotations

from blueprints.docs.openapi import samples
from blueprints.docs.openapi.headers import parameters, segment
from blueprints.docs.openapi.nodes import Node
from blueprints.docs.openapi.operations import forwarded, passed_on
from blueprints.docs.openapi.responses import answered, empty

TAG: Node = {
    "name": "Media",
    "description": "Uploads and downloads, stored by the media service. Bodies of any size up to the limit are streamed"
    " in both directions, and resumable uploads (tus) are supported. An uploaded page cannot run scripts in the"
    " gateway's origin: `Content-Security-Policy` and `nosniff` are added unless the service sets them. Paths of any"
    " depth are forwarded; two levels are described here.",
}

NAME = segment("name", "The file.", samples.FILE)
FOLDER = segment("folder", "The folder of the file.", "answers")
_HARMLESS = ("X-Content-Type-Options", "Content-Security-Policy")
_OF_A_FILE = ("ETag", "Accept-Ranges", *_HARMLESS)
_RANGE = parameters("Range", "IfRange", "IfNoneMatch")


def paths(max_upload: int) -> Node:
    """The paths of the media service; `max_upload` in bytes."""
    shared = parameters("Traceparent")
    files = {"200": answered("All files.", samples.FILES, "StoredFiles", headers=_HARMLESS)}
    return {
        "/media/mine": {
            "parameters": shared,
            "get": forwarded(TAG["name"], "listFiles", "List the caller's files", files),
        },
        "/media/{name}": {"parameters": [NAME, *shared], **_file("", "a file", max_upload)},
        "/media/{folder}/{name}": {
            "parameters": [FOLDER, NAME, *shared],
            **_file("InFolder", "a file of a folder", max_upload),
        },
    }


def _file(suffix: str, what: str, max_upload: int) -> Node:
    """The methods of a file; `suffix` makes their ids unique."""
    upload = passed_on(max_upload, samples.FILE_TEXT, media_type="*/*")
    new = {
        status: answered(said, samples.STORED, "StoredFile", headers=("Location", *_HARMLESS))
        for status, said in (("200", "The file replaced another one."), ("201", "The file was stored."))
    }
    changed = {"200": answered("The file was changed.", samples.STORED, headers=_HARMLESS)}
    gone = {"204": empty("The file was deleted.", *_HARMLESS)}
    tag = TAG["name"]
    return {
        "get": forwarded(
            tag, f"download{suffix}", f"Download {what}, or a part of it", _downloads(), parameters=_RANGE
        ),
        "post": forwarded(tag, f"upload{suffix}", f"Upload {what}", new, body=upload, writes=True),
        "put": forwarded(tag, f"store{suffix}", f"Store {what} under this name", new, body=upload, writes=True),
        "patch": forwarded(tag, f"changeFile{suffix}", f"Change {what}", changed, body=upload, writes=True),
        "delete": forwarded(tag, f"deleteFile{suffix}", f"Delete {what}", gone, writes=True),
    }


def _downloads() -> Node:
    part = answered(
        "The requested bytes.", samples.FILE_TEXT[:6], media_type="*/*", headers=("Content-Range", *_OF_A_FILE)
    )
    beyond = answered(
        "The range is outside the file; an error of the service, in its own format.",
        {"statusCode": 416, "error": "Range Not Satisfiable", "message": "there are no such bytes"},
        "ServiceError",
        media_type="*/*",
        headers=("Content-Range", *_HARMLESS),
    )
    return {
        "200": answered("The complete file.", samples.FILE_TEXT, media_type="*/*", headers=_OF_A_FILE),
        "206": part,
        "304": empty("The client has the current version.", "ETag"),
        "416": beyond,
    }
