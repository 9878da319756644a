"""The description (/openapi.json and /docs): it says what is there, all of it and nothing else, and the page says what
it says."""

import json
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest
from harness import http, replies
from harness.errors import MESSAGES, PHRASES, check_error
from harness.gateway import Gateway, StartGateway
from harness.http import Answer
from harness.issuer import Issuer
from harness.service import Service
from harness.signin import Browser, Realm
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from gateway.errors import ErrorCode

Node = dict[str, Any]
METHODS = ("get", "post", "put", "patch", "delete")
REPORTS = {("/health", "503"), ("/health/ready", "503")}
OF_A_SERVICE = {("/media/{name}", "416"), ("/media/{folder}/{name}", "416")}
"""Statuses from 400 that are no error of the gateway's, and keep their own shape."""
NEEDS_A_BODY_OR_A_SESSION = {("/auth/refresh", "post")}
"""Open by what the document says, and nothing without the one or the other."""

RATE_LIMIT = {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit", "ratelimit-policy"}

# Sent with every answer, or about the connection: not described answer by answer.
EVERYWHERE = {"server", "date", "connection", "content-type", "content-length", "vary", "x-content-type-options"}


@pytest.fixture(scope="module")
def document(gateway: Gateway) -> Node:
    answer = gateway.get("/openapi.json")
    assert answer.status == 200
    found: Node = answer.json()
    return found


def operations(document: Node) -> Iterator[tuple[str, str, Node]]:
    """(path, method, operation), of all."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def nodes(node: Any) -> Iterator[Node]:
    """Every object of a JSON value, but not what is inside an example."""
    if isinstance(node, dict):
        yield node
        for name, child in node.items():
            if name not in ("example", "examples"):
                yield from nodes(child)
    elif isinstance(node, list):
        for child in node:
            yield from nodes(child)


def resolved(document: Node, node: Node) -> Node:
    if "$ref" not in node:
        return node
    found: Node = reduce(lambda at, part: at[part], node["$ref"].removeprefix("#/").split("/"), document)
    return found


def answers(document: Node) -> Iterator[tuple[str, str, str, Node]]:
    """(path, method, status, response), of every operation."""
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            yield path, method, status, resolved(document, response)


def check_schema(document: Node, schema: Node, value: Any) -> None:
    """The value is as the schema says, which may refer to the document's components."""
    whole = {"allOf": [schema], "components": document["components"]}
    Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


def routes(gateway: Gateway) -> set[tuple[str, str]]:
    """(path, method) of what the real application routes; the paths as OpenAPI writes them."""
    program = (
        "from wsgi import app; import json; print(json.dumps([[r.rule, *r.methods] for r in app.url_map.iter_rules()]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=gateway.env, cwd=gateway.cwd, capture_output=True, text=True, check=True
    )
    found = set()
    for rule, *methods in json.loads(done.stdout.splitlines()[-1]):
        assert "OPTIONS" in methods, f"{rule} has no preflight"
        assert ("HEAD" in methods) == ("GET" in methods), rule
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)
        found |= {(path, method.lower()) for method in methods if method not in ("HEAD", "OPTIONS")}
    return found


def covers(route: str, path: str) -> bool:
    """Whether a route that ends with `{rest}` takes a path of the document."""
    pattern = re.escape(route.removesuffix("{rest}")).replace(r"\{id\}", "[^/]+") + ".+"
    return re.fullmatch(pattern, path) is not None


class TestDocument:
    def test_the_description_is_valid_openapi(self, document: Node) -> None:
        assert document["openapi"].startswith("3.1.")
        validate(document)

    def test_the_description_has_every_route_and_no_other(self, gateway: Gateway, document: Node) -> None:
        """What takes any depth is described by paths of one and two levels: a parameter holds no slash."""
        described = {(path, method) for path, method, _ in operations(document)}
        there = routes(gateway)
        deep = {(path, method) for path, method in there if path.endswith("/{rest}")}
        assert there - deep <= described
        for path, method in described - there:
            assert any(covers(route, path) and method == its for route, its in deep), (path, method)
        for path, method in deep:
            levels = {own.count("/") - path.count("/") for own, its in described if covers(path, own) and its == method}
            assert levels == {0, 1}, (path, method)

    def test_without_a_media_service_its_paths_are_not_described(
        self, start_gateway: StartGateway, document: Node
    ) -> None:
        gateway = start_gateway({"MEDIA_SERVICE_URL": None})
        other = gateway.get("/openapi.json").json()
        validate(other)
        assert set(document["paths"]) - set(other["paths"]) == {
            "/media/mine",
            "/media/{name}",
            "/media/{folder}/{name}",
        }
        assert {tag["name"] for tag in document["tags"]} - {tag["name"] for tag in other["tags"]} == {"Media"}
        check_schema(other, other["components"]["schemas"]["Health"], gateway.get("/health").json())
        assert "/media" not in gateway.get("/docs").text

    @pytest.mark.parametrize(
        ("name", "env"),
        [("redis", {"REDIS_URL": "redis://127.0.0.1:1"}), ("kafka", {"KAFKA_BROKERS": "127.0.0.1:1"})],
    )
    def test_a_report_of_redis_or_kafka_is_as_described(
        self, start_gateway: StartGateway, name: str, env: dict[str, str]
    ) -> None:
        gateway = start_gateway(env)
        document, report = gateway.get("/openapi.json").json(), gateway.get("/health").json()
        check_schema(document, document["components"]["schemas"]["Health"], report)
        assert (report["status"], report["services"][name]) == ("ok", "unhealthy")

    def test_the_description_says_the_limits_of_this_deployment(self, start_gateway: StartGateway) -> None:
        gateway = start_gateway({"MAX_BODY_BYTES": "12345", "MAX_UPLOAD_BYTES": "67890"})
        paths = gateway.get("/openapi.json").json()["paths"]
        assert "12,345" in paths["/users/me"]["put"]["requestBody"]["description"]
        assert "67,890" in paths["/media/{name}"]["put"]["requestBody"]["description"]

    def test_every_reference_leads_somewhere(self, document: Node) -> None:
        for node in nodes(document):
            assert "$ref" not in node or resolved(document, node), node

    def test_no_component_is_idle(self, document: Node) -> None:
        """All are used, but for the errors of paths and methods that are not there."""
        used = {node["$ref"] for node in nodes(document) if "$ref" in node}
        there = {
            f"#/components/{kind}/{name}"
            for kind, components in document["components"].items()
            for name in components
            if kind != "securitySchemes"
        }
        assert there - used == {f"#/components/responses/{name}" for name in ("NotFound", "MethodNotAllowed")}

    def test_every_operation_has_names(self, document: Node) -> None:
        assert document["servers"][0]["url"].startswith("http"), "absolute"
        ids = [operation["operationId"] for _, _, operation in operations(document)]
        assert len(ids) == len(set(ids))
        tags = {tag["name"] for tag in document["tags"]}
        for path, method, operation in operations(document):
            assert operation["summary"], (path, method)
            assert operation["tags"] and set(operation["tags"]) <= tags, (path, method)

    def test_every_parameter_of_a_path_is_described(self, document: Node) -> None:
        for path, item in document["paths"].items():
            described = [resolved(document, parameter) for parameter in item.get("parameters", ())]
            in_path = {parameter["name"] for parameter in described if parameter["in"] == "path"}
            assert in_path == set(re.findall(r"{(\w+)}", path))

    def test_every_answer_names_its_request(self, document: Node) -> None:
        for path, method, status, response in answers(document):
            assert "X-Request-Id" in response["headers"], (path, method, status)


class TestErrors:
    def test_every_error_has_the_same_body(self, document: Node) -> None:
        """What is forwarded may also be refused by its service, in any shape."""
        for path, method, status, response in answers(document):
            if status[0] in "45" and (path, status) not in REPORTS | OF_A_SERVICE:
                is_forwarded = "default" in document["paths"][path][method]["responses"]
                name = "ErrorOnTheWay" if is_forwarded else "Error"
                kinds = {"application/json", "*/*"} if is_forwarded else {"application/json"}
                assert response["content"].keys() == kinds, (path, method, status)
                assert response["content"]["application/json"]["schema"] == {"$ref": f"#/components/schemas/{name}"}

    def test_have_a_code_of_the_one_list(self, document: Node) -> None:
        codes = document["components"]["schemas"]["Error"]["properties"]["code"]["enum"]
        assert codes == list(ErrorCode)

    def test_errors_describe_their_headers(self, document: Node) -> None:
        for name, statuses in {"WWW-Authenticate": {"401"}, "Retry-After": {"429", "503"}}.items():
            for path, method, status, response in answers(document):
                if status[0] in "45" and (path, status) not in REPORTS | OF_A_SERVICE:
                    assert (name in response["headers"]) == (status in statuses), (path, method, status)

    def test_described_errors_say_what_the_gateway_says(self, document: Node) -> None:
        phrases = {417: "Expectation Failed", **PHRASES}
        reported: dict[int, set[str]] = {}
        for response in document["components"]["responses"].values():
            for example in response["content"].get("application/json", {}).get("examples", {}).values():
                body = example["value"]
                assert body["error"] == phrases[body["statusCode"]]
                reported.setdefault(body["statusCode"], set()).add(body["message"])
        for status, messages in reported.items():
            assert messages <= MESSAGES.get(status, messages)
        assert reported[401] == MESSAGES[401]


class TestExamples:
    def test_examples_of_bodies_fit_their_schemas(self, document: Node) -> None:
        bodies = [(path, response) for path, _, _, response in answers(document)]
        bodies += [(path, op["requestBody"]) for path, _, op in operations(document) if "requestBody" in op]
        for path, body in bodies:
            for media_type, media in body.get("content", {}).items():
                examples = [media["example"]] if "example" in media else []
                examples += [example["value"] for example in media.get("examples", {}).values()]
                assert examples, f"no example of {media_type} at {path}"
                for example in examples:
                    check_schema(document, media["schema"], example)

    @pytest.mark.parametrize("kind", ["headers", "parameters"])
    def test_examples_of_fields_fit_their_schemas(self, document: Node, kind: str) -> None:
        own = [p for item in document["paths"].values() for p in item.get("parameters", ()) if "$ref" not in p]
        for node in [*document["components"][kind].values(), *(own if kind == "parameters" else ())]:
            check_schema(document, node["schema"], node["example"])


@dataclass(frozen=True)
class Case:
    """A request, and where its answer is described."""

    status: int
    path: str
    target: str = ""
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    reply: Any = None
    body: bytes | None = None


JSON = {"Content-Type": "application/json"}
RANGE = {"Range": "bytes=0-5"}
CASES = {
    "health": Case(200, "/health"),
    "liveness": Case(200, "/health/live"),
    "readiness": Case(200, "/health/ready"),
    "the metrics": Case(200, "/metrics"),
    "the metrics through somebody's proxy": Case(403, "/metrics", headers={"X-Forwarded-For": "10.0.0.1"}),
    "the document": Case(200, "/openapi.json"),
    "the page": Case(200, "/docs"),
    "a profile": Case(200, "/users/me", reply=replies.sized(
        200, [("Content-Type", "application/json")], b'{"id": "1", "more": true}')),
    "a teapot": Case(418, "/users/me", reply=replies.sized(418, [("Content-Type", "text/plain")], b"tea")),
    "a part": Case(206, "/media/{folder}/{name}", "/media/a/b", headers=RANGE, reply=replies.sized(206, [
        ("Content-Type", "video/mp4"), ("Content-Range", "bytes 0-5/9"), ("ETag", '"1"'), ("Accept-Ranges", "bytes"),
    ], b"123456")),
    "a part beyond": Case(416, "/media/{name}", "/media/a", headers=RANGE, reply=replies.sized(416, [
        ("Content-Type", "application/json"), ("Content-Range", "bytes */3"),
    ], b"{}")),
    "nobody": Case(401, "/users/me", headers={"Authorization": "Bearer bad"}),
    "an odd path": Case(400, "/interviews/{id}", "/interviews/a%2fb"),
    "too large": Case(413, "/users/me", method="PUT", headers={"Content-Length": "99999999"}),
    "an odd expectation": Case(417, "/health", headers={"Expect": "tea"}),
    "an unknown coding": Case(501, "/health", headers={"Transfer-Encoding": "gzip"}),
    "a long target": Case(414, "/health", "/health?" + "x" * 9000),
    "a large head": Case(431, "/health", headers={"X": "x" * 40_000}),
    "a loop": Case(508, "/health", headers={"Via": "1.1 api-gateway"}),
    "a broken service": Case(502, "/users/me", reply=replies.reset()),
    "a sign-in": Case(200, "/auth/login", method="POST", headers=JSON, body=b'{"returnTo": "/a"}'),
    "a sign-in without a body": Case(200, "/auth/login", method="POST"),
    "a sign-in to elsewhere": Case(400, "/auth/login", method="POST", headers=JSON, body=b'{"returnTo": "//evil"}'),
    "a sign-in by form": Case(415, "/auth/login", method="POST", headers={"Content-Type": "text/plain"}, body=b"{}"),
    "a sign-in of a megabyte": Case(413, "/auth/login", method="POST", headers=JSON, body=b" " * (1 << 20)),
    "a callback without its sign-in": Case(400, "/auth/callback", "/auth/callback?code=a&state=b"),
    "a callback to a browser": Case(303, "/auth/callback", "/auth/callback?code=a", headers={"Accept": "text/html"}),
    "a refresh of nothing": Case(401, "/auth/refresh", method="POST"),
    "a refresh of no text": Case(400, "/auth/refresh", method="POST", headers=JSON, body=b'{"refreshToken": 1}'),
    "a logout": Case(200, "/auth/logout", method="POST"),
    "a logout by form": Case(415, "/auth/logout", method="POST", headers={"Content-Type": "text/plain"}, body=b"{}"),
    "a logout by password": Case(401, "/auth/logout", method="POST", headers={"Authorization": "Basic YTpi"}),
    "a word that is not Keycloak's": Case(400, "/auth/backchannel-logout", method="POST", headers={
        "Content-Type": "application/x-www-form-urlencoded"}, body=b"logout_token=a.b.c"),
    "a session by token": Case(200, "/auth/session"),
    "a session of nobody": Case(200, "/auth/session", headers={"Authorization": "Bearer bad"}),
}  # fmt: skip


class TestAnswers:
    """What the gateway really says, against what is written."""

    @pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
    def test_answers_are_as_described(
        self, gateway: Gateway, issuer: Issuer, services: dict[str, Service], document: Node, case: Case
    ) -> None:
        for service in services.values():
            service.answer = case.reply
        headers = {"Authorization": f"Bearer {issuer.mint()}", **case.headers}
        answer = gateway.get(case.target or case.path, headers=headers, method=case.method, body=case.body)
        assert answer.status == case.status
        described = document["paths"][case.path][case.method.lower()]["responses"]
        check_described(document, described.get(str(case.status)) or described["default"], answer)

    @pytest.mark.parametrize(
        ("name", "path", "method"), [("NotFound", "/nope", "GET"), ("MethodNotAllowed", "/users/me", "DELETE")]
    )
    def test_answers_to_unknown_paths_are_as_described(
        self, gateway: Gateway, document: Node, name: str, path: str, method: str
    ) -> None:
        answer = gateway.get(path, method=method)
        check_described(document, document["components"]["responses"][name], answer)
        assert answer.status in (404, 405)

    def test_answers_without_services_are_as_described(
        self, start_gateway: StartGateway, issuer: Issuer, document: Node
    ) -> None:
        """The breaker and the health report have one status, and two shapes."""
        gateway = start_gateway(services={})
        paths = document["paths"]
        check_described(document, paths["/health"]["get"]["responses"]["503"], gateway.get("/health"))
        for _ in range(5):
            gateway.get("/users/me", issuer.mint())
        answer = gateway.get("/users/me", issuer.mint())
        assert answer.status == 503
        check_described(document, paths["/users/me"]["get"]["responses"]["503"], answer)

    def test_credentials_are_needed_where_the_description_says_so(self, gateway: Gateway, document: Node) -> None:
        for path, method, operation in operations(document):
            security = operation.get("security", document["security"])
            is_open = (not security or {} in security) and (path, method) not in NEEDS_A_BODY_OR_A_SESSION
            answer = gateway.get(path.replace("{", "").replace("}", ""), method=method.upper())
            assert (answer.status != 401) == is_open, (path, method, answer.status)

    def test_answers_of_a_whole_session_are_as_described(self, start_gateway: StartGateway) -> None:
        """Signed in, used, refreshed both ways, refused to a foreign page, signed out; the cookie is the one named."""
        with Realm() as realm:
            browser = Browser(start_gateway(issuer=realm, services={}), realm)
            document: Node = browser.gateway.get("/openapi.json").json()

            def check(path: str, status: int, method: str = "GET", body: Any = None, target: str = "") -> Answer:
                answer = browser.call(target or path, method, body)
                assert answer.status == status, answer.text
                check_described(document, document["paths"][path][method.lower()]["responses"][str(status)], answer)
                return answer

            tokens = check("/auth/callback", 200, target=browser.begin()).json()
            assert document["components"]["securitySchemes"]["session"]["name"] in browser.jar
            assert check("/auth/session", 200).json()["authenticated"] is True
            assert check("/auth/refresh", 200, "POST").json().keys() == {"expiresIn"}
            assert check("/auth/refresh", 200, "POST", {"refreshToken": tokens["refreshToken"]}).json()["accessToken"]
            cookies = "; ".join(f"{name}={value}" for name, value in browser.jar.items())
            foreign = {"Origin": "http://evil.test", "Cookie": cookies}
            for path, method in (("/auth/refresh", "POST"), ("/auth/logout", "POST"), ("/users/me", "PUT")):
                answer = browser.gateway.get(path, headers=foreign, method=method)
                check_error(answer, 403, "Forbidden", path)
                check_described(document, document["paths"][path][method.lower()]["responses"]["403"], answer)
            before = dict(browser.jar)
            assert "id_token_hint" in check("/auth/logout", 200, "POST").json()["endSessionUrl"]
            browser.jar = before
            assert check("/auth/session", 200).json() == {"authenticated": False}
            check("/auth/refresh", 401, "POST")

    def test_writes_by_cookie_describe_the_refusal_of_foreign_pages(self, document: Node) -> None:
        for path, method, operation in operations(document):
            security: list[Node] = operation["security"] if "security" in operation else document["security"]
            by_cookie = any("session" in way for way in security)
            assert "403" in operation["responses"] or method == "get" or not by_cookie, (path, method)


def check_described(document: Node, response: Node, answer: Answer) -> None:
    """Status aside: the answer has a content type, headers and a body that its description knows."""
    response = resolved(document, response)
    media_type = (answer.header("Content-Type") or "").partition(";")[0]
    content = response.get("content", {})
    assert media_type in content or "*/*" in content or not (content or answer.body)
    if media_type == "application/json":
        check_schema(document, content.get(media_type, content.get("*/*"))["schema"], answer.json())
    known = {name.lower(): resolved(document, header) for name, header in response["headers"].items()}
    reported = {name.lower(): value for name, value in answer.headers if not name.lower().startswith("access-control-")}
    assert reported.keys() - EVERYWHERE <= known.keys() | {"referrer-policy"}
    unread = not answer.header("X-Request-Id")
    assert RATE_LIMIT & reported.keys() in (RATE_LIMIT, set()), "all of them, where the request was counted"
    assert known.keys() - RATE_LIMIT - {"x-request-id", "set-cookie"} <= reported.keys() or not answer.status >= 400
    assert not unread or answer.json()["path"] == "", "only a request that could not be read has no id"
    for name in known.keys() & reported.keys():
        value: Any = reported[name]
        kind = known[name]["schema"]["type"]
        check_schema(document, known[name]["schema"], int(value) if kind == "integer" else value)


class Page(HTMLParser):
    """What a page is made of that could lead elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.values: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.values.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            elif name in ("href", "src", "srcset", "action"):
                self.links.append(value or "")
            elif name.startswith("on") or name == "style":
                self.handlers.append(name)


def directives_of(answer: Answer) -> dict[str, str]:
    """The Content-Security-Policy of a page."""
    policy = answer.header("Content-Security-Policy") or ""
    return dict(part.strip().partition(" ")[::2] for part in policy.split(";"))


class TestPage:
    @pytest.fixture(scope="class")
    @classmethod
    def answer(cls, gateway: Gateway) -> Answer:
        return gateway.get("/docs")

    def test_the_page_is_html_for_everybody(self, answer: Answer) -> None:
        assert answer.status == 200
        assert answer.header("Content-Type") == "text/html; charset=utf-8"
        assert answer.header("X-Content-Type-Options") == "nosniff"

    def test_the_page_needs_no_other_host(self, answer: Answer) -> None:
        page = Page(answer.text)
        assert not {"iframe", "img", "object", "embed", "base"} & set(page.tags)
        assert page.tags.count("link") == page.tags.count("script") == 1 and not page.handlers
        assert {link for link in page.links if not link.startswith("#")} == {"openapi.json", "data:,"}
        assert not [value for value in page.values if "://" in value]
        style = answer.text.partition("<style>")[2].partition("</style>")[0]
        assert "://" not in style and "@import" not in style and "url(" not in style
        assert "://" not in answer.text.partition("<script>")[2]

    def test_the_page_lets_the_browser_use_its_style_and_script_alone(self, answer: Answer) -> None:
        directives = directives_of(answer)
        assert directives.pop("default-src") == "'none'"
        for tag in ("style", "script"):
            text = answer.text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
            hashed = b64encode(sha256(text.encode()).digest()).decode()
            assert directives.pop(f"{tag}-src") == f"'sha256-{hashed}'"
        assert directives.pop("img-src") == "data:"
        assert directives.pop("connect-src") == "'self'"
        assert set(directives.values()) == {"'none'"}
        assert {"base-uri", "form-action", "frame-ancestors"} == set(directives)

    def test_calls_can_be_tried_in_development_alone(
        self, start_gateway: StartGateway, answer: Answer, document: Node
    ) -> None:
        assert Page(answer.text).tags.count("form") == len(list(operations(document)))
        gateway = start_gateway({"NODE_ENV": "production", "PUBLIC_URL": "https://api.example.com"})
        live = gateway.get("/docs")
        assert not {"form", "textarea"} & set(Page(live.text).tags)
        assert Page(live.text).tags.count("input") == 1, "the search's"
        assert "connect-src" not in directives_of(live)

    def test_the_page_says_address_and_limits_of_this_deployment(self, start_gateway: StartGateway) -> None:
        gateway = start_gateway({"MAX_BODY_BYTES": "12345", "RATE_LIMIT_DEFAULT": "77 per 3 minutes"}, limits=True)
        text = gateway.get("/docs").text
        assert f"GATEWAY={gateway.url}\n" in text
        for limit in ("12,345 bytes", "77 per 3 minutes", "1000 per 15 minutes", "5 per minute"):
            assert limit in text.partition("GATEWAY=")[2].partition("</pre>")[0]

    def test_the_page_shows_every_call_and_error(self, answer: Answer, document: Node) -> None:
        page = Page(answer.text)
        assert len(page.ids) == len(set(page.ids))
        assert {operation["operationId"] for _, _, operation in operations(document)} <= set(page.ids)
        for path, _, operation in operations(document):
            assert path in answer.text and operation["summary"].replace("'", "&#39;") in answer.text
        statuses = {status for _, _, status, _ in answers(document) if status[0] in "45"} - {"416"}
        assert {f"e{status}" for status in statuses | {"404", "405"}} <= set(page.ids)

    def test_the_page_has_no_dead_link(self, answer: Answer) -> None:
        page = Page(answer.text)
        assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)

    def test_the_page_shows_markup_as_text(self, answer: Answer) -> None:
        assert "&lt;access token&gt;" in answer.text and "<access token>" not in answer.text


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
class TestBothForms:
    def test_description_and_page_are_revalidated_by_etag(self, gateway: Gateway, path: str) -> None:
        first = gateway.get(path)
        assert first.header("Cache-Control") == "no-cache"
        again = gateway.get(path, headers={"If-None-Match": first.header("ETag") or ""})
        assert (again.status, again.body) == (304, b"")
        assert again.header("ETag") == first.header("ETag")
        assert gateway.get(path, headers={"If-None-Match": '"another"'}).body == first.body

    def test_description_and_page_answer_head(self, gateway: Gateway, path: str) -> None:
        with http.Connection(gateway.port) as connection:
            connection.request("HEAD", path, {"Connection": "close"})
            answer = connection.receive_head(method="HEAD")
            assert connection.rest() == b""
        assert answer.status == 200
        assert answer.header("ETag") == gateway.get(path).header("ETag")

    def test_description_and_page_are_read_only(self, gateway: Gateway, path: str) -> None:
        check_error(gateway.get(path, method="POST"), 405, "Method not allowed", path)

    def test_description_and_page_are_built_of_nothing_a_client_sends(self, gateway: Gateway, path: str) -> None:
        headers = {"Host": "evil.test", "X-Forwarded-Host": "evil.test", "X-Forwarded-Prefix": "/evil"}
        assert gateway.get(path + "?evil=1", headers=headers).body == gateway.get(path).body
