"""Resumable uploads (tus 1.0) through /media: tus-js-client in Node and in Chromium before npm's @tus/server, cut at
40 % and resumed."""

import json
import random
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from harness import relay, replies
from harness.chromium import Person, chromium
from harness.description import CLIENT
from harness.gateway import FRONTEND, Gateway
from harness.gateways import GatewayFactory
from harness.lifetime import Server
from harness.ports import free_port
from harness.relay import Relay
from harness.service import Service
from harness.signin import Browser, Realm
from harness.waiting import until

pytestmark = pytest.mark.timeout(120)

SIZE = 8 << 20
CUT = SIZE * 2 // 5
SLOW = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": SIZE // 3}
"""Bytes a second: the whole takes three."""
TUS = {"Tus-Resumable": "1.0.0"}


class TusService(Server):
    """@tus/server as the media service; `heard` are the requests it got."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.files = folder / "files"
        node = shutil.which("node") or "node"
        super().__init__([node, str(CLIENT / "checks" / "tus-service.mjs"), str(self.port), str(self.files)], folder)

    def is_ready(self) -> bool:
        socket.create_connection(("127.0.0.1", self.port), 2).close()
        return True

    @property
    def heard(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def stored(self, url: str) -> bytes:
        """What was uploaded under an address."""
        return (self.files / urlsplit(url).path.rpartition("/")[2]).read_bytes()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TusService]:
    with TusService(tmp_path_factory.mktemp("tus")) as running:
        yield running


@pytest.fixture(scope="module")
def realm() -> Iterator[Realm]:
    with Realm() as running:
        yield running


@pytest.fixture(scope="module")
def frontend() -> Iterator[str]:
    """The origin of a page with a field for files."""
    with Service() as running:
        running.answer = replies.sized(200, [("Content-Type", "text/html")], b"<!doctype html><input type=file>")
        yield running.url.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def gateway(make_gateway: GatewayFactory, realm: Realm, service: TusService, frontend: str) -> Iterator[Gateway]:
    env = {"FRONTEND_URL": f"{FRONTEND},{frontend}"}
    with make_gateway(env, issuer=realm, services={"media": service.url}) as running:
        yield running


@pytest.fixture
def bearer(realm: Realm) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {realm.mint()}"}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("recording") / "answer.webm"
    file.write_bytes(random.Random(14).randbytes(SIZE))
    return file


def cut_once(port: int) -> relay.Serve:
    """Serves connections by a port; the first that carries more than CUT breaks there."""
    cut: list[int] = []

    def serve(connection: socket.socket) -> None:
        if cut:
            relay.to(port)(connection)
            return
        with socket.create_connection(("127.0.0.1", port)) as other:
            carried = 0
            connection.setblocking(True)
            back = relay.copying(other, connection)
            while (data := connection.recv(65536)) and carried < CUT:
                other.sendall(data)
                carried += len(data)
            if carried >= CUT:
                cut.append(carried)
            relay.end(other)
            relay.end(connection)
            back.join()

    return serve


def check_resumed(heard: list[dict[str, Any]]) -> None:
    """One creation, a first part, a question how far it came, and the rest from there on."""
    methods = [request["method"] for request in heard if request["method"] != "OPTIONS"]
    assert (methods[:2], methods[-1]) == (["POST", "PATCH"], "PATCH")
    assert set(methods[2:-1]) == {"HEAD"}
    assert heard[0]["upload-length"] == str(SIZE)
    assert 0 < int(heard[-1]["upload-offset"]) < SIZE, "not from the beginning"
    assert {request["tus-resumable"] for request in heard} == {"1.0.0"}
    assert all(request["x-user-id"] for request in heard)


def test_a_program_resumes_an_upload_that_was_cut(
    gateway: Gateway, service: TusService, realm: Realm, recording: Path
) -> None:
    before = len(service.heard)
    with Relay(cut_once(gateway.port)) as way:
        way.open()
        command = ["node", "checks/tus-upload.mjs", f"http://{way.address}/media/tus", realm.mint(), str(recording)]
        done = subprocess.run(command, cwd=CLIENT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert len(told["cuts"]) >= 1 and told["url"].startswith(f"http://{way.address}/media/tus/")
    check_resumed(service.heard[before:])
    assert service.stored(told["url"]) == recording.read_bytes()


UPLOAD = """({endpoint, stopAt}) => {
  window.told = {};
  const upload = new tus.Upload(document.querySelector("input").files[0], {
    endpoint,
    retryDelays: [0, 200, 400, 800, 1600],
    onBeforeRequest: (request) => { request.getUnderlyingObject().withCredentials = true; },
    onProgress: (sent) => {
      if (sent < stopAt || window.told.stopped) return;
      window.told.stopped = sent;
      upload.abort();
    },
    onError: (error) => { window.told.error = String(error); },
    onSuccess: () => { window.told.url = upload.url; },
  });
  upload.findPreviousUploads().then((found) => {
    window.told.found = found.length;
    if (found.length) upload.resumeFromPreviousUpload(found[0]);
    upload.start();
  });
}"""


def test_a_page_that_was_closed_resumes_its_upload_by_cookie(
    gateway: Gateway, service: TusService, realm: Realm, frontend: str, recording: Path, tmp_path: Path
) -> None:
    before = len(service.heard)
    signed_in = Browser(gateway, realm)
    assert signed_in.call(signed_in.begin()).status == 200
    origin = f"http://localhost:{gateway.port}"
    with chromium() as browser, Person(browser, tmp_path) as person:
        for name, value in signed_in.jar.items():
            person.context.add_cookies([{"name": name, "value": value, "url": origin}])

        def told(stop_at: float) -> dict[str, Any]:
            """What an upload in a new tab of the frontend told when it stopped or ended."""
            page, _ = person.tab()
            page.goto(frontend)
            page.add_script_tag(path=CLIENT / "node_modules" / "tus-js-client" / "dist" / "tus.min.js")
            page.set_input_files("input", recording)
            network = person.context.new_cdp_session(page)
            network.send("Network.emulateNetworkConditions", SLOW)
            page.evaluate(UPLOAD, {"endpoint": f"{origin}/media/tus", "stopAt": stop_at})
            page.wait_for_function("told.stopped || told.url || told.error", timeout=30_000)
            found: dict[str, Any] = page.evaluate("told")
            page.close()
            return found

        first, second = told(CUT), told(SIZE * 2)
    assert "stopped" in first and "url" not in first, first
    assert second.get("found") == 1 and second.get("url"), second
    check_resumed(service.heard[before:])
    assert service.stored(second["url"]) == recording.read_bytes()


@pytest.mark.parametrize("by", ["token", "session"])
def test_the_service_says_what_it_can(gateway: Gateway, realm: Realm, bearer: dict[str, str], by: str) -> None:
    signed_in = Browser(gateway, realm)
    if by == "session":
        assert signed_in.call(signed_in.begin()).status == 200
        bearer = {"Cookie": "; ".join(f"{name}={value}" for name, value in signed_in.jar.items())}
    answer = gateway.get("/media/tus", headers={**bearer, **TUS, "Origin": FRONTEND}, method="OPTIONS")
    assert (answer.status, answer.header("Tus-Version")) == (204, "1.0.0")
    assert "creation" in (answer.header("Tus-Extension") or "")
    assert answer.header("Access-Control-Allow-Origin") == FRONTEND
    assert "tus-extension" in (answer.header("Access-Control-Expose-Headers") or "").lower()


def test_an_offset_that_is_wrong_is_the_services_409(gateway: Gateway, bearer: dict[str, str]) -> None:
    made = gateway.get("/media/tus", headers={**bearer, **TUS, "Upload-Length": "10"}, method="POST", body=b"")
    assert (made.status, made.header("Tus-Resumable")) == (201, "1.0.0")
    place = f"/media/{made.header('Location')}"
    kind = {"Content-Type": "application/offset+octet-stream"}
    wrong = gateway.get(place, headers={**bearer, **TUS, **kind, "Upload-Offset": "5"}, method="PATCH", body=b"56789")
    assert wrong.status == 409
    part = gateway.get(place, headers={**bearer, **TUS, **kind, "Upload-Offset": "0"}, method="PATCH", body=b"01234")
    assert (part.status, part.header("Upload-Offset")) == (204, "5")
    until(lambda: gateway.get(place, headers={**bearer, **TUS}, method="HEAD").header("Upload-Offset") == "5")
