"""`LeanFlask` answers as Flask does: the same hooks in the same order, whichever of them answers or raises."""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from flask import Blueprint, Flask, Response, abort, g, request
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException

from gateway.lean_flask import LeanFlask

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE")
PATHS = (
    "/outside",
    "/outer/7",
    "/outer/seven",
    "/outer/inner/deep",
    "/outer/inner/deep/",
    "//outside",
    "/missing",
    "/",
)
HANDLED: dict[str, type[Exception] | int] = {
    "http": HTTPException,
    "refusal": LookupError,
    "bug": Exception,
    "missing": 404,
    "teapot": 418,
}


@dataclass(frozen=True)
class Plan:
    """What the hooks of one app do, outermost first: for the app, the outer and the inner blueprint."""

    before: tuple[str, str, str]
    view: str
    after: tuple[str, str, str]
    handlers: tuple[frozenset[str], frozenset[str], frozenset[str]]


class Answered(NamedTuple):
    """What a request was answered with, and what was called for it, in order."""

    method: str
    path: str
    status: str
    fields: list[tuple[str, str]]
    body: bytes
    trail: tuple[str, ...]


def act(what: str) -> str | None:
    """What a hook or a view does."""
    match what:
        case "answer":
            return "answered"
        case "abort":
            abort(418)
        case "refuse":
            raise LookupError("refused")
        case "break":
            raise RuntimeError("a bug")
    return None


class App:
    """One app of the plan, and the trail of what was called."""

    def __init__(self, app: Flask, plan: Plan) -> None:
        self.trail: list[str] = []
        app.logger.disabled = True
        app.url_map.strict_slashes = app.url_map.merge_slashes = False
        outer, inner = (
            Blueprint("outer", "outer", url_prefix="/outer"),
            Blueprint("inner", "inner", url_prefix="/inner"),
        )
        owners: tuple[Flask | Blueprint, ...] = (app, outer, inner)
        for level, owner in enumerate(owners):
            self._hook(owner, level, plan)
        app.get("/outside")(self._view("outside", plan.view))
        app.post("/outside")(self._view("outside_post", plan.view))
        outer.get("/<int:number>")(self._view("number", plan.view))
        inner.get("/deep")(self._view("deep", plan.view))
        outer.register_blueprint(inner)
        app.register_blueprint(outer)
        self._client = app.test_client()
        self._context = app.connection_context if isinstance(app, LeanFlask) else nullcontext

    def _view(self, name: str, what: str) -> Callable[..., str]:
        def view(**arguments: int) -> str:
            self.trail.append(f"view {name} {arguments} {request.blueprints} {request.environ.get('seen')}")
            return act(what) or name

        view.__name__ = name
        return view

    def _hook(self, owner: Flask | Blueprint, level: int, plan: Plan) -> None:
        def before() -> str | None:
            request.environ["seen"] = level
            return act(plan.before[level])

        def after(response: Response) -> Response:
            response.headers.add("Passed", str(level))
            return Response(act(plan.after[level]), 203) if plan.after[level] != "pass" else response

        for number in (1, 2):
            owner.before_request(self._noted(f"before {level}.{number}", before if number == 2 else None))
            owner.after_request(self._noted(f"after {level}.{number}", after if number == 1 else lambda given: given))
            owner.teardown_request(self._noted(f"teardown {level}.{number}"))
        for name in sorted(plan.handlers[level]):
            owner.register_error_handler(HANDLED[name], self._noted(f"handler {level} {name}", lambda _: (name, 410)))

    def _noted(self, name: str, call: Callable[..., Any] | None = None) -> Callable[..., Any]:
        def noted(*arguments: object) -> Any:
            self.trail.append(" ".join([name, *(type(each).__name__ for each in arguments)]))
            return call(*arguments) if call is not None else None

        return noted

    def answers(self, requests: Iterable[tuple[str, str]]) -> list[Answered]:
        """What each request is answered with, and what was called for it."""
        found = []
        with self._context():
            for method, path in requests:
                answer = self._client.open(path, method=method)
                fields = sorted((name, ",".join(sorted(value.split(", ")))) for name, value in answer.headers)
                found.append(Answered(method, path, answer.status, fields, answer.data, tuple(self.trail)))
                self.trail.clear()
        return found


acts = st.sampled_from(("pass", "pass", "pass", "answer", "abort", "refuse", "break"))
levels = st.tuples(acts, acts, acts)
some = st.frozensets(st.sampled_from(sorted(HANDLED)))
plans = st.builds(Plan, levels, acts, levels, st.tuples(some, some, some))
requests = st.lists(st.tuples(st.sampled_from(METHODS), st.sampled_from(PATHS)), min_size=1, max_size=6)

QUIET = Plan(("pass",) * 3, "pass", ("pass",) * 3, (frozenset(),) * 3)


@given(plans, requests)
@example(QUIET, [(method, path) for path in PATHS for method in METHODS])
@settings(max_examples=60, deadline=None)
def test_the_same_answers_by_the_same_hooks(plan: Plan, asked: list[tuple[str, str]]) -> None:
    plain = App(Flask("plain", static_folder=None), plan).answers(asked)
    assert App(LeanFlask("lean"), plan).answers(asked) == plain


def test_the_plan_reaches_every_hook() -> None:
    """What is compared above is not nothing."""
    [answered] = App(LeanFlask("lean"), QUIET).answers([("GET", "/outer/inner/deep")])
    assert len(answered.trail) == 3 * 6 + 1


@pytest.mark.parametrize("register", [LeanFlask.url_value_preprocessor, LeanFlask.teardown_appcontext])
def test_what_it_does_not_call_is_refused(register: Callable[..., Any]) -> None:
    app = LeanFlask("lean")
    register(app, lambda *arguments: None)
    app.testing = True
    with pytest.raises(NotImplementedError):
        app.test_client().get("/")


def test_in_the_context_of_a_connection_g_stores_nothing() -> None:
    """Its requests may be of several users: a proxy in front keeps one connection for all of its clients."""
    app = LeanFlask("lean")
    app.testing = True

    uses: list[Callable[[], object]] = [lambda: setattr(g, "user", "A"), lambda: g.get("user"), lambda: "user" in g]

    @app.get("/<int:number>")
    def used(number: int) -> str:
        uses[number]()
        return "used"

    for number in range(len(uses)):
        assert app.test_client().get(f"/{number}").data == b"used"
        with app.connection_context(), pytest.raises(RuntimeError, match="scope"):
            app.test_client().get(f"/{number}")
