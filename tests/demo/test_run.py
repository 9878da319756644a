"""The demo as processes: it starts, says what is wrong, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest
import requests
from harness.waiting import until

from demo.identity.settings import CORA, RICK
from demo.plan import ROOT, Part, parts, public_url, read_environment, with_frontend
from demo.run import Demo, DemoError, check_ports
from demo.serve import listen


def free_shift() -> int:
    """A shift under which every port is free."""
    for shift in range(20_000, 30_000, 50):
        try:
            check_ports(parts(read_environment(shift)))
        except DemoError:
            continue
        return shift
    raise RuntimeError("no room for the demo's ports")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """All parts but the gateway."""
    environment = read_environment(free_shift())
    demo = Demo(parts(environment)[:-1], environment, tmp_path_factory.mktemp("demo"))
    try:
        demo.start()
        yield demo
    finally:
        demo.end()
    assert [child.exit_code for child in demo.children] == [0] * len(demo.parts)


def test_the_shift_moves_every_port() -> None:
    plain, moved = (parts(read_environment(shift)) for shift in (0, 100))
    assert [part.port for part in plain] == [8090, 3003, 3004, 3006, 3000, 3001]
    assert [part.port for part in moved] == [part.port + 100 for part in plain]
    assert read_environment(100)["KEYCLOAK_REDIRECT_URI"] == "http://localhost:3101/auth/callback"


def test_the_user_service_knows_the_providers_users(demo: Demo) -> None:
    url = f"{demo.environment['USER_SERVICE_URL']}/users/me"
    for user in (CORA, RICK):
        profile = requests.get(url, headers={"X-User-Id": user.id}, timeout=5).json()
        assert (profile["firstName"], profile["lastName"]) == (user.first_name, user.last_name)


def test_services_keep_connections_and_take_chunks(demo: Demo) -> None:
    url = f"{demo.environment['MEDIA_SERVICE_URL']}/media/a.bin"
    with requests.Session() as http:
        http.headers["X-User-Id"] = "u"
        stored = http.put(url, data=iter([b"a" * 100_000] * 5))
        assert (stored.status_code, stored.json()["size"]) == (201, 500_000)
        assert stored.headers.get("Connection") != "close"
        part = http.get(url, headers={"Range": "bytes=-3"})
        assert (part.status_code, part.content) == (206, b"aaa")


def test_a_broken_upload_leaves_nothing(demo: Demo) -> None:
    base = demo.environment["MEDIA_SERVICE_URL"]
    port = int(base.rpartition(":")[2])
    for framing in ("Content-Length: 100", "Transfer-Encoding: chunked"):
        with socket.create_connection(("localhost", port), timeout=5) as raw:
            head = f"PUT /media/cut.txt HTTP/1.1\r\nHost: x\r\nX-User-Id: cut\r\n{framing}\r\n\r\n"
            raw.sendall(head.encode() + b"20\r\ncut")
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(65536):
                pass
    assert requests.get(f"{base}/media/mine", headers={"X-User-Id": "cut"}, timeout=5).json() == {"items": []}


def test_the_frontend_knows_where_its_gateway_is(demo: Demo) -> None:
    url = demo.environment["FRONTEND_URL"]
    config = requests.get(f"{url}/config.js", timeout=5).text
    assert f"http://localhost:{demo.environment['PORT']}" in config
    page = requests.get(url, timeout=5)
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    for file in [*re.findall(r'(?:src|href)="([\w.]+)"', page.text), "client/index.js"]:
        assert requests.get(f"{url}/{file}", timeout=5).status_code == 200, file
    for secret in ("__init__.py", "client/..%2Fpackage.json", "client/../package.json"):
        assert requests.get(f"{url}/{secret}", timeout=5).status_code == 404


@pytest.mark.parametrize(
    ("given", "origin", "public"),
    [
        ("http://localhost:5173", "http://localhost:5173", "http://localhost:3001"),
        ("http://localhost:5173/", "http://localhost:5173", "http://localhost:3001"),
        ("http://localhost:5173/api", "http://localhost:5173", "http://localhost:5173/api"),
    ],
)
def test_somebodys_own_frontend_takes_the_place_of_the_demos(given: str, origin: str, public: str) -> None:
    environment = with_frontend(read_environment(), given)
    assert "frontend" not in {part.name for part in parts(environment)}
    assert environment["FRONTEND_URL"] == origin
    assert public_url(environment) == public
    assert environment["KEYCLOAK_REDIRECT_URI"] == f"{public}/auth/callback"


@pytest.mark.parametrize("given", ["localhost:5173", "5173", "ftp://a", "http://a/?b=c"])
def test_what_is_no_address_of_a_frontend_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="is no address of a frontend"):
        with_frontend(read_environment(), given)


def test_a_part_that_dies_is_named_with_its_last_words(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "print('no disk'); raise SystemExit(3)")
    demo = Demo((Part("media", 1, command, "http://127.0.0.1:1/"),), {}, tmp_path)
    try:
        with pytest.raises(DemoError, match=r"(?s)media ended with 3.*no disk"):
            demo.start()
    finally:
        demo.end()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a child that its parent is gone")
def test_parts_do_not_outlive_a_demo_that_is_killed(tmp_path: Path) -> None:
    reported = tmp_path / "ended"
    part = f"""
import pathlib, signal, sys
signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(reported)!r}).write_text("ended"), sys.exit()))
print("up", flush=True)
signal.pause()
"""
    demo = f"""
import pathlib, signal
from demo.child import Child
from demo.plan import Part
part = Part("part", 1, ({sys.executable!r}, "-c", {part!r}), "")
child = Child(part, {{}}, pathlib.Path({str(tmp_path)!r}))
while "up" not in child.log.read_text():
    pass
print("up", flush=True)
signal.pause()
"""
    with subprocess.Popen([sys.executable, "-c", demo], cwd=ROOT, stdout=subprocess.PIPE) as running:
        assert running.stdout and running.stdout.readline() == b"up\n"
        running.kill()
    deadline = time.monotonic() + 10
    while not reported.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert reported.exists()


def test_a_taken_port_is_named() -> None:
    with listen() as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DemoError, match=f"port {port} is taken; users needs it"):
            check_ports((Part("users", port, (), ""),))


def test_the_whole_demo_and_the_lines_it_prints() -> None:
    shift = free_shift()
    command = [sys.executable, "-m", "demo", "--shift", str(shift)]
    environment = {**os.environ, "LOG_LEVEL": "debug"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdin=PIPE, stdout=PIPE, stderr=PIPE
    ) as running:
        assert running.stdin and running.stdout and running.stderr
        try:
            text = ""
            while "Ctrl-C ends" not in text:
                line = running.stdout.readline()
                assert line, running.stderr.read()
                text += line
            folder = re.search(r"Logs and data +(\S+)", text)
            assert folder and '"level":"debug"' in Path(folder[1], "gateway.log").read_text()
            lines = [line for line in text.splitlines() if line.startswith("curl ")]
            answers = [
                subprocess.run(
                    [*shlex.split(line), "-s", "-o", os.devnull, "-w", "%{http_code}"],
                    capture_output=True,
                    check=True,
                    text=True,
                ).stdout
                for line in lines
            ]
            # A service that is killed is named, and comes back; the others go on.
            health = read_environment(shift)["USER_SERVICE_URL"] + "/health"
            assert running.stdout.readline() == "\n"
            killing = re.search(r"kill \d+", text)
            assert killing and subprocess.run(killing[0].split()).returncode == 0
            assert re.match(r"users ended with -?\d+ .* r and Enter", running.stdout.readline())
            running.stdin.write("r\n")
            running.stdin.flush()
            assert running.stdout.readline() == "users starts again.\n"
            until(lambda: answers_at(health), 20, "the service to be back")
        finally:
            running.send_signal(signal.SIGINT)
            errors = running.communicate(timeout=60)[1]
    assert answers == ["200", "201", "201"]
    assert (running.returncode, errors) == (0, "")
    assert not Path(folder[1]).exists()


def answers_at(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def test_it_can_be_stopped_while_it_starts() -> None:
    command = [sys.executable, "-m", "demo", "--shift", str(free_shift())]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout and running.stdout.readline() == "Starting …\n"
        running.send_signal(signal.SIGTERM)
        _, errors = running.communicate(timeout=60)
    assert (running.returncode, errors) == (0, "")
