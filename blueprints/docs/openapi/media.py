"""`/media`: there where a media service is configured."""

from __future__ import annotations

from blueprints.docs.openapi import samples
from blueprints.docs.openapi.headers import SEGMENTS, parameters, segment
from blueprints.docs.openapi.nodes import Node
from blueprints.docs.openapi.operations import forwarded, passed_on
from blueprints.docs.openapi.responses import answered, empty

TAG: Node = {
    "name": "Media",
    "description": "Uploads and downloads, kept by the media service. Bodies stream both ways, of any size up to the"
    " limit. What was uploaded can not run in the gateway's origin: `Content-Security-Policy: sandbox` and `nosniff`"
    " are added where the service says nothing of them.",
}

REST = segment(
    "rest",
    "The file, of one segment or more, with plain slashes: an encoded one is 400.",
    samples.FILE,
    pattern=SEGMENTS,
)
_HARMLESS = ("X-Content-Type-Options", "Content-Security-Policy")
_OF_A_FILE = ("ETag", "Accept-Ranges", *_HARMLESS)


def paths(max_upload: int) -> Node:
    """The paths of the media service; `max_upload` in bytes."""
    upload = passed_on(max_upload, samples.FILE_TEXT, "*/*")
    new = {"201": answered("It is stored.", samples.STORED, headers=("Location", *_HARMLESS))}
    stored = {"200": answered("It is stored.", samples.STORED, headers=_HARMLESS)}
    return {
        "/media/{rest}": {
            "parameters": [REST, *parameters("Query", "Traceparent")],
            "get": forwarded(
                TAG["name"], "download", "Download a file or a part of it", _downloads(),
                parameters=parameters("Range", "IfRange", "IfNoneMatch"),
            ),
            "post": forwarded(TAG["name"], "upload", "Upload a file", new, body=upload, writes=True),
            "put": forwarded(TAG["name"], "store", "Store a file under this name", stored, body=upload, writes=True),
            "patch": forwarded(TAG["name"], "changeFile", "Change a file", stored, body=upload, writes=True),
            "delete": forwarded(
                TAG["name"], "deleteFile", "Delete a file", {"204": empty("It is no more.")}, writes=True
            ),
        }
    }  # fmt: skip


def _downloads() -> Node:
    part = answered("The bytes asked for.", samples.FILE_TEXT[:6], "*/*", ("Content-Range", *_OF_A_FILE))
    beyond = answered(
        "There are no such bytes; said by the service, in its own shape.",
        {"statusCode": 416, "error": "Range Not Satisfiable", "message": "there are no such bytes"},
        "*/*",
        ("Content-Range", *_HARMLESS),
    )
    return {
        "200": answered("The file, whole.", samples.FILE_TEXT, "*/*", _OF_A_FILE),
        "206": part,
        "304": empty("The client has the current version.", "ETag"),
        "416": beyond,
    }
