"""The three services, each over real HTTP."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import requests

from demo.serve import serving
from demo.services.interviews import create_interviews
from demo.services.media import create_media
from demo.services.users import create_users

CORA = {"X-User-Id": "cora", "X-User-Email": "cora@example.test", "X-User-Roles": "candidate"}
RICK = {"X-User-Id": "rick", "X-User-Roles": "admin,recruiter"}


class Service:
    """Calls one service as somebody."""

    def __init__(self, base: str) -> None:
        self.base = base

    def __call__(self, method: str, path: str, who: dict[str, str] = CORA, **more: Any) -> requests.Response:
        headers = {**who, **more.pop("headers", {})}
        return requests.request(method, self.base + path, headers=headers, timeout=5, **more)


@pytest.fixture(scope="module")
def users() -> Iterator[Service]:
    with serving(create_users()) as base:
        yield Service(base)


@pytest.fixture(scope="module")
def interviews(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(create_interviews(tmp_path_factory.mktemp("interviews") / "interviews.sqlite", beat=0.2)) as base:
        yield Service(base)


@pytest.fixture
def media(tmp_path: Path) -> Iterator[Service]:
    with serving(create_media(tmp_path)) as base:
        yield Service(base)


def test_health_and_errors_are_json(users: Service) -> None:
    assert users("GET", "/health", {}).json() == {"status": "ok", "service": "user-service"}
    for status, path, who in ((404, "/nowhere", CORA), (401, "/users/me", {})):
        answer = users("GET", path, who)
        assert (answer.status_code, answer.json()["statusCode"]) == (status, status)


def test_a_profile_is_made_from_the_gateways_headers(users: Service) -> None:
    who = {"X-User-Id": "u1", "X-User-Email": quote("zoë@example.test"), "X-User-Roles": "a%2Cb,c"}
    profile = users("GET", "/users/me", who).json()
    assert (profile["id"], profile["email"], profile["roles"]) == ("u1", "zoë@example.test", ["a,b", "c"])


def test_a_profile_is_changed_by_its_owner(users: Service) -> None:
    changed = users("PUT", "/users/me", json={"firstName": " Cora ", "headline": ""})
    assert (changed.status_code, changed.json()["firstName"]) == (200, "Cora")
    assert users("GET", "/users/me").json() == changed.json()
    assert users("GET", "/users/me", RICK).json()["firstName"] == ""


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"json": {"roles": ["admin"]}}, 400, id="roles are not editable"),
        pytest.param({"json": {"firstName": 5}}, 400, id="no text"),
        pytest.param({"json": {"firstName": "x" * 201}}, 400, id="too long"),
        pytest.param({"json": []}, 400, id="no object"),
        pytest.param({"data": "{", "headers": {"Content-Type": "application/json"}}, 400, id="no json"),
        pytest.param({"data": "a=b"}, 415, id="no json type"),
    ],
)
def test_a_bad_change_is_refused(users: Service, body: dict[str, Any], status: int) -> None:
    assert users("PUT", "/users/me", **body).status_code == status


def test_an_interviews_life(interviews: Service) -> None:
    made = interviews("POST", "/interviews", json={"title": "First round", "notes": "be kind"})
    path = made.headers["Location"]
    assert made.status_code == 201 and path == f"/interviews/{made.json()['id']}"
    assert made.json()["status"] == "scheduled" and "owner" not in made.json()
    assert interviews("PATCH", path, json={"status": "completed"}).json()["notes"] == "be kind"
    replaced = interviews("PUT", path, json={"title": "Second round"}).json()
    assert (replaced["title"], replaced["notes"], replaced["status"]) == ("Second round", "", "scheduled")
    assert interviews("GET", path).json() == replaced
    assert interviews("DELETE", path).status_code == 204
    assert interviews("GET", path).status_code == 404


def test_everybody_sees_their_own_interviews(interviews: Service) -> None:
    path = interviews("POST", "/interviews", json={"title": "Mine"}).headers["Location"]
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert interviews(method, path, RICK, json={"title": "x"}).status_code == 404
    assert interviews("GET", f"{path}/questions", RICK).status_code == 404
    assert interviews("GET", "/interviews", RICK).json() == {"items": [], "total": 0}


def test_lists_are_in_pages(interviews: Service) -> None:
    who = {"X-User-Id": "lister"}
    for number in range(5):
        status = "completed" if number % 2 else "scheduled"
        interviews("POST", "/interviews", who, json={"title": f"n{number}", "status": status})

    def titles(query: str) -> tuple[list[str], int]:
        found = interviews("GET", f"/interviews?{query}", who).json()
        return [item["title"] for item in found["items"]], found["total"]

    assert titles("limit=2&offset=1") == (["n3", "n2"], 5)
    assert titles("status=completed") == (["n3", "n1"], 2)
    assert titles("limit=x&offset=-1")[1] == 5


@pytest.mark.parametrize("body", [{}, {"title": " "}, {"title": "t", "status": "?"}, {"title": "t", "notes": 1}])
def test_a_bad_interview_is_refused(interviews: Service, body: dict[str, Any]) -> None:
    assert interviews("POST", "/interviews", json=body).status_code == 400


def test_questions_belong_to_an_interview(interviews: Service) -> None:
    path = interviews("POST", "/interviews", json={"title": "t"}).headers["Location"]
    asked = [interviews("POST", f"{path}/questions", json={"text": text}).json() for text in ("a?", "b?")]
    assert interviews("GET", f"{path}/questions").json()["items"] == asked
    gone = f"{path}/questions/{asked[0]['id']}"
    assert [interviews("DELETE", gone).status_code for _ in range(2)] == [204, 404]
    assert interviews("DELETE", path).status_code == 204


def lines(stream: Iterator[str], until: str) -> list[str]:
    """The lines of an event stream, up to the one that begins so."""
    read = []
    for line in stream:
        read.append(line)
        if line.startswith(until):
            break
    return read


def test_changes_are_told_as_they_happen_to_whom_they_concern(interviews: Service) -> None:
    who = {"X-User-Id": "listener"}
    with interviews("GET", "/interviews/events", who, stream=True) as answer:
        stream = answer.iter_lines(1, decode_unicode=True)
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert lines(stream, ": here")[0] == "retry: 1000"
        interviews("POST", "/interviews", RICK, json={"title": "Rick's"})
        assert ": nothing new" in lines(stream, ": nothing"), "a quiet stream says so"
        path = interviews("POST", "/interviews", who, json={"title": "Mine"}).headers["Location"]
        created = lines(stream, "data:")
        interviews("DELETE", path, who)
        deleted = lines(stream, "data:")
    assert "event: interview.created" in created and '"title": "Mine"' in created[-1]
    assert "event: interview.deleted" in deleted
    first = next(line.removeprefix("id: ") for line in created if line.startswith("id:"))
    with interviews("GET", "/interviews/events", {**who, "Last-Event-ID": first}, stream=True) as answer:
        missed = lines(answer.iter_lines(1, decode_unicode=True), "data:")
        assert "event: interview.deleted" in missed
    with interviews("GET", "/interviews/events", {**who, "Last-Event-ID": "99999"}, stream=True) as answer:
        of_an_earlier_life = lines(answer.iter_lines(1, decode_unicode=True), ": nothing")
        assert ": nothing new" in of_an_earlier_life


def test_a_file_comes_back_whole_in_ranges_and_not_at_all(media: Service) -> None:
    content = bytes(range(256)) * 1000
    stored = media("PUT", "/media/clip.webm", data=content)
    assert (stored.status_code, stored.headers["Location"]) == (201, "/media/clip.webm")
    whole = media("GET", "/media/clip.webm")
    assert (whole.content, whole.headers["Content-Type"]) == (content, "video/webm")
    part = media("GET", "/media/clip.webm", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, content[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(content)}"
    assert media("GET", "/media/clip.webm", headers={"Range": "bytes=999999999-"}).status_code == 416
    assert media("GET", "/media/clip.webm", headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
    head = media("HEAD", "/media/clip.webm")
    assert (head.headers["Content-Length"], head.content) == (str(len(content)), b"")
    assert media("PUT", "/media/clip.webm", data=b"new").status_code == 200
    (listed,) = media("GET", "/media/mine").json()["items"]
    assert (listed["name"], listed["size"]) == ("clip.webm", 3)
    assert [media("DELETE", "/media/clip.webm").status_code for _ in range(2)] == [204, 404]


def test_a_chunked_upload(media: Service) -> None:
    stored = media("POST", "/media/a.bin", data=iter([b"a" * 70_000, b"b" * 70_000]))
    assert (stored.status_code, stored.json()["size"]) == (201, 140_000)


def test_files_are_their_owners(media: Service) -> None:
    media("PUT", "/media/a.txt", data=b"cora's")
    assert media("GET", "/media/a.txt", RICK).status_code == 404
    assert media("GET", "/media/mine", RICK).json() == {"items": []}
    sly = {"X-User-Id": "../cora"}
    assert media("GET", "/media/a.txt", sly).status_code == 404


@pytest.mark.parametrize("name", ["..", ".hidden", "mine", "a%2Fb", "a%5Cb", "%2e%2e%2fx", "a%00", "x" * 129, "-r"])
def test_a_name_is_one_harmless_segment(media: Service, name: str, tmp_path: Path) -> None:
    parts = urlsplit(media.base)
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=5) as raw:
        head = f"PUT /media/{name} HTTP/1.1\r\nHost: x\r\nX-User-Id: u\r\nContent-Length: 2\r\n\r\nhi"
        raw.sendall(head.encode())
        status = raw.recv(65536).split()[1]
    assert status in (b"400", b"404", b"405")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_a_broken_upload_leaves_what_was_there(media: Service, framing: str, tmp_path: Path) -> None:
    media("PUT", "/media/a.txt", data=b"before")
    parts = urlsplit(media.base)
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=5) as raw:
        head = f"PUT /media/a.txt HTTP/1.1\r\nHost: x\r\nX-User-Id: cora\r\n{framing}\r\n\r\n"
        raw.sendall(head.encode() + b"20\r\ncut")
        raw.shutdown(socket.SHUT_WR)
        raw.recv(65536)
    assert media("GET", "/media/a.txt").content == b"before"
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1
