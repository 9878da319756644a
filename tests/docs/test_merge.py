"""The services' own descriptions in the gateway's: `USER_SERVICE_OPENAPI_URL` and the settings like it."""

import json
import subprocess
import time
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from harness import replies
from harness.gateway import Gateway
from harness.gateways import GatewayFactory
from harness.service import Service
from harness.waiting import until
from openapi_spec_validator import validate

from blueprints.docs.openapi import TAGS, Facts, document
from blueprints.docs.openapi import merged as merge
from gateway.descriptions import DescriptionFault
from gateway.services import SERVICES

Node = dict[str, Any]


def as_json(schema: Node) -> Node:
    return {"application/json": {"schema": schema}}


USERS: Node = {
    "openapi": "3.0.0",
    "info": {"title": "users", "version": "7"},
    "paths": {
        "/users/me": {
            "parameters": [
                {"name": "X-User-Id", "in": "header", "required": True, "schema": {"type": "string"}},
                {"name": "fields", "in": "query", "schema": {"type": "string"}},
            ],
            "get": {
                "operationId": "UsersController_me",
                "summary": "The profile, as the user service tells it",
                "security": [{"internal": []}],
                "responses": {
                    "200": {"description": "", "content": as_json({"$ref": "#/components/schemas/User"})},
                    "404": {"$ref": "#/components/responses/Gone"},
                },
            },
        },
        "/users/{id}": {"get": {"responses": {"200": {"description": "of administrators"}}}},
        "/health": {"get": {"responses": {"200": {"description": "inside"}}}},
    },
    "components": {
        "securitySchemes": {"internal": {"type": "apiKey", "in": "header", "name": "X-Internal"}},
        "responses": {"Gone": {"description": "Deleted.", "content": as_json({"type": "object"})}},
        "schemas": {
            "User": {
                "type": "object",
                "properties": {
                    "nick": {"type": "string", "nullable": True},
                    "age": {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
                    "default": {"$ref": "#/components/schemas/Team"},
                },
            },
            "Team": {"type": "object", "properties": {"lead": {"$ref": "#/components/schemas/User"}}},
            "Idle": {"type": "string"},
        },
    },
}  # fmt: skip
INTERVIEWS: Node = {
    "openapi": "3.1.0",
    "info": {"title": "interviews", "version": "1"},
    "servers": [{"url": "https://inside.test/interviews"}],
    "paths": {
        "/": {"get": {"operationId": "login", "responses": {"2XX": {"description": "A page."}}}},
        "/{interview}": {
            "parameters": [{"name": "interview", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"summary": "One of them", "responses": {"200": {"description": "It."}}},
            "trace": {"responses": {"200": {"description": "no route"}}},
        },
        "/{interview}/notes": {
            "parameters": [{"name": "interview", "in": "path", "required": True, "schema": {"type": "string"}}],
            "post": {
                "operationId": "login",
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                "responses": {"201": {"description": "Noted."}},
            },
        },
    },
}


class Documents(Service):
    """Serves a description of its own at each path; another path is 404."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: dict[str, bytes] = {}

    def say(self, **documents: Node | bytes) -> None:
        self.bodies |= {
            name: document if isinstance(document, bytes) else json.dumps(document).encode()
            for name, document in documents.items()
        }
        kind = [("Content-Type", "application/json")]
        self.answer = replies.per_path(
            {f"/{name}".encode(): replies.sized(200, kind, body) for name, body in self.bodies.items()}
        )

    def settings(self) -> dict[str, str]:
        names = {"users": "USER", "interviews": "INTERVIEW", "media": "MEDIA"}
        return {f"{names[name]}_SERVICE_OPENAPI_URL": f"{self.url}/{name}" for name in self.bodies}


@pytest.fixture(scope="module")
def documents() -> Iterator[Documents]:
    with Documents() as running:
        running.say(users=USERS, interviews=INTERVIEWS, media=b"<!doctype html>")
        yield running


@pytest.fixture(scope="module")
def gateway(make_gateway: GatewayFactory, documents: Documents) -> Iterator[Gateway]:
    with make_gateway(documents.settings()) as running:
        until(lambda: running.raw_output().count("Description: ") >= 3, what="the three to be read")
        yield running
    running.lines()


@pytest.fixture(scope="module")
def merged(gateway: Gateway) -> Node:
    found: Node = gateway.get("/openapi.json").json()
    return found


def test_what_comes_of_it_is_a_valid_document(merged: Node) -> None:
    validate(merged)


def test_a_call_is_described_in_the_services_words(merged: Node) -> None:
    call = merged["paths"]["/users/me"]["get"]
    assert (call["operationId"], call["summary"]) == ("readMe", USERS["paths"]["/users/me"]["get"]["summary"])
    assert [parameter["name"] for parameter in call["parameters"]] == ["fields"], "X-User-Id is the gateway's"
    schema = call["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/UserService_User"}
    assert call["responses"]["404"]["description"] == "Deleted."
    assert call["responses"]["401"] == {"$ref": "#/components/responses/UnauthorizedOrTheServices"}
    assert "security" not in call and "X-Request-Id" in call["responses"]["404"]["headers"]


def test_components_come_along_that_are_used(merged: Node) -> None:
    schemas = merged["components"]["schemas"]
    assert {name for name in schemas if name.startswith("UserService_")} == {"UserService_User", "UserService_Team"}
    properties = schemas["UserService_User"]["properties"]
    assert properties["nick"] == {"type": ["string", "null"]}, "3.1 has no nullable"
    assert properties["age"] == {"type": "integer", "exclusiveMinimum": 0}
    assert properties["default"] == {"$ref": "#/components/schemas/UserService_Team"}
    assert merged["components"]["securitySchemes"].keys() == {"bearer", "session"}


def test_paths_are_the_gateways(merged: Node) -> None:
    paths = merged["paths"]
    assert paths["/health"]["get"]["operationId"] == "health"
    assert not {"/users/{id}", "/users/health", "/interviews/", "/interviews/{interview}"} & set(paths)
    assert paths["/interviews"]["get"]["responses"]["2XX"]["description"] == "A page."
    one = paths["/interviews/{id}"]
    assert (one["get"]["summary"], "trace" in one) == ("One of them", False)
    notes = paths["/interviews/{interview}/notes"]["post"]
    assert notes["tags"] == ["Interviews"] and notes["operationId"] == "interviewService_login", "the other is taken"
    assert "403" in notes["responses"] and "201" in notes["responses"]
    assert paths["/media/mine"]["get"]["operationId"] == "listFiles", "as without a description of its own"


def test_the_page_shows_it(gateway: Gateway) -> None:
    page = gateway.get("/docs")
    assert page.status == 200
    assert "The profile, as the user service tells it" in page.text and "interviewService_login" in page.text


def test_one_of_no_use_is_one_line(gateway: Gateway, documents: Documents) -> None:
    asked = [received.target for received in documents.requests].count(b"/media")
    until(lambda: [received.target for received in documents.requests].count(b"/media") > asked, 15, "a second try")
    gateway.get("/openapi.json")
    lines = [line for line in gateway.lines() if "media-service's is left out" in line["message"]]
    assert len(lines) == 1 and "it is not JSON" in lines[0]["message"]


def answering(answer: object, **components: Node) -> Node:
    """A description whose one call has this answer."""
    paths = {"/users/me": {"get": {"responses": {"200": answer}}}}
    return {"openapi": "3.1.0", "paths": paths, "components": {"responses": components}}


def of_schema(schema: Node, version: str = "3.1.0", **schemas: object) -> Node:
    """A description whose one call answers with this schema."""
    paths = {"/users/me": {"get": {"responses": {"200": {"description": "", "content": as_json(schema)}}}}}
    return {"openapi": version, "paths": paths, "components": {"schemas": schemas}}


def merged_with(own: Node) -> Node:
    """The gateway's description with this one of the user service."""
    facts = Facts(frozenset(spec.name for spec in SERVICES), (), 1, 1, "access_token", "http://gateway.test")
    spec = SERVICES[0]
    return merge(document(facts), spec, TAGS[spec.name], own, lambda path, method: True)


def of_path(path: str, server: str = "/") -> Node:
    return {"openapi": "3.1.0", "servers": [{"url": server}], "paths": {path: {"post": {"responses": {}}}}}


A_SCHEMA = "#/components/schemas/A"
ELSEWHERE = "http://evil.test/x.json"
LONG = {"description": "x" * 390_000}


REFUSED: dict[str, tuple[Node, str]] = {
    "of an older version": ({"swagger": "2.0", "paths": {}}, "not a document of OpenAPI 3"),
    "without paths": ({"openapi": "3.1.0"}, "not objects"),
    "with paths as a list": ({"openapi": "3.1.0", "paths": []}, "not objects"),
    "with a path of no path": ({"openapi": "3.1.0", "paths": {"users": {}}}, "not valid"),
    "with a call of no call": ({"openapi": "3.1.0", "paths": {"/users/me": {"get": "it"}}}, "not an object"),
    "with a response of no response": (answering("it"), "not an object"),
    "with a content of no content": (answering({"content": []}), "not an object"),
    "that refers to another host": (answering({"$ref": "http://evil.test/#/a"}), "none of its components"),
    "that refers to another host beside a reference": (
        of_schema({"$ref": A_SCHEMA, "allOf": [{"$ref": ELSEWHERE}]}, A={}),
        "none of its components",
    ),
    "that refers to another host in an encoding": (
        answering({"content": {"a/b": {"encoding": {"value": {"headers": {"X": {"$ref": ELSEWHERE}}}}}}}),
        "none of its components",
    ),
    "that refers to another host in a mapping": (
        of_schema({"discriminator": {"propertyName": "a", "mapping": {"a": "x.json"}}}),
        "none of its components",
    ),
    "with a reference that is no text": (of_schema({"$ref": 5}), "none of its components"),
    "with a path of dots": (of_path("/users/../auth/logout"), "not valid"),
    "with a path of encoded dots": (of_path("/users/%2e%2E/auth/logout"), "not valid"),
    "with a path and a query": (of_path("/users/me?a=1"), "not valid"),
    "with a long answer often": (
        {
            "openapi": "3.1.0",
            "paths": {
                f"/users/{call}": {"get": {"responses": {"200": {"$ref": "#/components/responses/A"}}}}
                for call in range(6)
            },
            "components": {"responses": {"A": LONG}},
        },
        "too long with its references resolved",
    ),
    "with too many values": (of_schema({"enum": list(range(50_001))}), "more than 50,000 values"),
    "that refers to itself": (
        answering({"$ref": "#/components/responses/A"}, A={"$ref": "#/components/responses/A"}),
        "circle",
    ),
    "with too many calls": (
        {"openapi": "3.1.0", "paths": {f"/users/{number}": {"get": {}} for number in range(301)}},
        "more than 300 calls",
    ),
}


@pytest.mark.parametrize(("wrong", "why"), REFUSED.values(), ids=REFUSED)
def test_a_document_is_refused(wrong: Node, why: str) -> None:
    with pytest.raises(DescriptionFault, match=why):
        merged_with(wrong)


def test_the_base_of_its_servers_leads_to_no_other_path() -> None:
    paths = merged_with(of_path("/auth/logout", server="http://inside.test/users/.."))["paths"]
    assert "/users/auth/logout" in paths and not [path for path in paths if ".." in path]


SCHEMAS: dict[str, tuple[Node, Node]] = {
    "of 3.1, with more beside a reference": (
        of_schema({"$ref": A_SCHEMA, "description": "It.", "not": {"$ref": A_SCHEMA}}, A={}),
        {
            "$ref": "#/components/schemas/UserService_A",
            "description": "It.",
            "not": {"$ref": "#/components/schemas/UserService_A"},
        },
    ),
    "of 3.0, where that is ignored": (
        of_schema({"$ref": A_SCHEMA, "description": "It.", "not": {"$ref": ELSEWHERE}}, "3.0.3", A={}),
        {"$ref": "#/components/schemas/UserService_A", "description": "It."},
    ),
    "whose mapping has a name of its own": (
        of_schema({"discriminator": {"propertyName": "a", "mapping": {"content": "A"}}}, A={}),
        {"discriminator": {"propertyName": "a", "mapping": {"content": "#/components/schemas/UserService_A"}}},
    ),
    "whose definitions have one": (
        of_schema({"definitions": {"headers": True}, "dependentRequired": {"content": ["a"]}}),
        {"definitions": {"headers": True}, "dependentRequired": {"content": ["a"]}},
    ),
    "whose examples are data": (of_schema({"examples": [{"content": 5}]}), {"examples": [{"content": 5}]}),
    "that names a base": (of_schema({"$id": ELSEWHERE, "$anchor": "a", "type": "string"}), {"type": "string"}),
}  # fmt: skip


@pytest.mark.parametrize(("own", "schema"), SCHEMAS.values(), ids=SCHEMAS)
def test_a_schema_becomes_the_descriptions(own: Node, schema: Node) -> None:
    answer = merged_with(own)["paths"]["/users/me"]["get"]["responses"]["200"]
    assert answer["content"]["application/json"]["schema"] == schema


def test_links_to_calls_of_the_service_are_left_out() -> None:
    answer = {"description": "", "links": {"next": {"operationRef": ELSEWHERE}}}
    assert "links" not in merged_with(answering(answer))["paths"]["/users/me"]["get"]["responses"]["200"]


UNUSUAL: Node = {
    "openapi": "3.1.0",
    "paths": {
        "/users/me": {
            "get": {
                "responses": {
                    "200": {"description": "It.", "headers": {"X-Plain": {"$ref": "#/components/headers/Plain"}}},
                    "299": {"description": "Odd."},
                    "460": {"description": "Left."},
                    "\u0664\u0664\u0664": {"description": "No status."},
                }
            },
            "put": {
                "requestBody": {"content": {"application/json": {"example": {"a": "'; $(id); '"}}}},
                "responses": {"200": {"description": "It."}},
            },
        },
    },
    "components": {"headers": {"Plain": {"schema": {"type": "string"}}}},
}  # fmt: skip
COMMANDS: Node = {
    "openapi": "3.1.0",
    "paths": {
        "/interviews/{id}/$(id)`id`;id": {
            "post": {
                "operationId": "unsafe",
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "example": "$(id)'; id '", "schema": {}},
                    {"name": "elements", "in": "query", "schema": {"type": "string"}},
                ],
                "requestBody": {
                    "content": {"application/x-www-form-urlencoded": {"example": {"a": "'; id; '", "$(id)": "`id`"}}}
                },
                "responses": {"201": {"description": "Made."}},
            }
        }
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def unusual(make_gateway: GatewayFactory) -> Iterator[Gateway]:
    with Documents() as documents:
        documents.say(users=UNUSUAL, interviews=COMMANDS)
        with make_gateway(documents.settings()) as running:
            until(lambda: running.raw_output().count("'s is read") >= 2, what="the two to be read")
            yield running


def test_statuses_and_headers_without_a_name_or_an_example_are_shown(unusual: Gateway) -> None:
    answers = unusual.get("/openapi.json").json()["paths"]["/users/me"]["get"]["responses"]
    assert {"200", "299", "460"} <= set(answers) and "\u0664\u0664\u0664" not in answers
    page = unusual.get("/docs").text
    assert "Odd." in page and "Left." in page and "<code>UserService_Plain</code>" in page


def shell_line(page: str, call: str) -> str:
    """The line of a call as it is copied."""
    article = page.partition(f'<article id="{call}">')[2]
    return unescape(article.partition("<code>curl ")[2].partition("</code></pre>")[0])


@pytest.mark.parametrize(
    ("call", "arguments"),
    {
        "changeMe": ["PUT", "http://gateway.test/users/me", json.dumps({"a": "'; $(id); '"})],
        "unsafe": [
            "POST",
            "http://gateway.test/interviews/%24%28id%29%27%3B%20id%20%27/$(id)`id`;id",
            *("a='; id; '", "$(id)=`id`"),
        ],
    }.items(),
)
def test_what_a_service_says_is_no_command_in_a_shell(unusual: Gateway, call: str, arguments: list[str]) -> None:
    line = shell_line(unusual.get("/docs").text, call)
    script = "curl() { printf '%s\\0' \"$@\"; }; GATEWAY=http://gateway.test; TOKEN=t; curl " + line
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == "" and [word for word in done.stdout.split("\0") if word in arguments] == arguments


def test_no_name_of_a_service_is_a_property_of_its_form(unusual: Gateway) -> None:
    form = unusual.get("/docs").text.partition('data-path="/interviews/{id}/$')[2].partition("</form>")[0]
    assert 'data-name="elements"' in form and " name=" not in form


def nested(depth: int) -> bytes:
    return b'{"openapi": "3.1.0", "paths": ' + b'{"/media": ' * depth + b"1" + b"}" * (depth + 1)


def test_one_that_is_nested_deeply_is_read_again_when_it_is_not(make_gateway: GatewayFactory) -> None:
    with Documents() as documents:
        documents.say(media=nested(1000))
        with make_gateway(documents.settings()) as gateway:
            until(lambda: "it is nested too deeply" in gateway.raw_output(), what="the refusal")
            documents.say(media={"openapi": "3.1.0", "paths": {}})
            until(lambda: "media-service's is read" in gateway.raw_output(), 15, what="the next one to be read")
            gateway.lines()


def test_one_that_would_be_unwieldy_when_written_is_left_out(make_gateway: GatewayFactory) -> None:
    wide: Any = [0] * 40_000
    for _ in range(200):
        wide = [wide]
    with Documents() as documents:
        documents.say(users=of_schema({"enum": wide}))
        with make_gateway(documents.settings()) as gateway:

            def refused() -> bool:
                assert len(gateway.get("/openapi.json").body) < 1 << 20
                return "would be longer than 8,388,608 bytes" in gateway.raw_output()

            until(refused, what="it to be read and refused")
            gateway.lines()


def test_whatever_services_say_the_description_is_there(make_gateway: GatewayFactory) -> None:
    with Documents() as bad:
        bad.say(
            users=answering({"content": {"application/json": 5}}),
            interviews=b'{"openapi": "' + b"3" * (3 << 18) + b'"}',
            media=b'{"openapi": "3.1.0", "paths": ' + b'{"/media": ' * 5000 + b"1" + b"}" * 5001,
        )
        with make_gateway(bad.settings()) as gateway:

            def left_out() -> bool:
                found = gateway.get("/openapi.json").json()["paths"]
                assert found["/users/me"]["get"]["summary"] == "Read the caller's profile"
                return gateway.raw_output().count("is left out") >= len(bad.bodies)

            until(left_out, what="a line for each")
            assert gateway.get("/docs").status == 200
            reasons = [line["message"].rpartition(": ")[2] for line in gateway.lines() if "left out" in line["message"]]
            assert sorted(reasons) == [
                "it is longer than 786,432 bytes",
                "it is malformed (TypeError)",
                "it is not JSON",
            ]


def test_a_service_that_hangs_delays_nothing(make_gateway: GatewayFactory) -> None:
    with Documents() as hanging:
        hanging.say(users=USERS)
        hanging.answer = lambda received, connection: time.sleep(3)
        began = time.monotonic()
        with make_gateway(hanging.settings()) as gateway:
            until(lambda: hanging.requests, what="it to be asked")
            assert gateway.get("/openapi.json").status == 200
            assert time.monotonic() - began < 60
            hanging.hang_up()
