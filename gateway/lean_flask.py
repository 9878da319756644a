"""Flask with what a gateway does not need left out, by its own extension points; each class names what it saves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import accumulate, chain
from typing import Any, NamedTuple, NoReturn

from flask import Flask, Request, Response, request
from flask.ctx import AppContext, RequestContext
from flask.sessions import NullSession
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter, Rule
from werkzeug.wrappers import Response as AnyResponse

from gateway.hooks import Hook
from gateway.marks import NO_ROUTE, RouteMarks, marks_of

_NO_SESSION = NullSession()
"""Flask's own session is not used: nothing is opened or saved (40 us a request)."""


class _NoGlobals:
    """`g` of a connection's context: all requests of the connection would share what is stored there."""

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        _refuse_globals()

    def __getattr__(self, name: str) -> NoReturn:
        _refuse_globals()

    def __contains__(self, name: str) -> NoReturn:
        _refuse_globals()


def _refuse_globals() -> NoReturn:
    raise RuntimeError("flask.g is shared by all requests of a connection: use the scope of the request instead")


PATH_CHARACTERS = 256
"""What fits a longer path is not remembered: clients make paths up."""


class _Request(Request):
    """Flask's request, of which only the environ is read at once: most are asked for nothing else (10 us)."""

    def __init__(self, environ: dict[str, Any], populate_request: bool = True, shallow: bool = False) -> None:
        self.environ = environ
        self.shallow = shallow
        self.method = environ["REQUEST_METHOD"]
        environ["werkzeug.request"] = self

    def __getattr__(self, name: str) -> Any:
        if name not in ("scheme", "server", "root_path", "path", "query_string", "headers", "remote_addr"):
            raise AttributeError(name)
        super().__init__(self.environ)
        return self.__dict__[name]

    def close(self) -> None:
        """Nothing: no form is parsed, so there are no files of one."""


class _Context(RequestContext):
    """Flask's context; what fits a path is remembered (20 us a request)."""

    app: LeanFlask

    def match_request(self) -> None:
        request = self.request
        environ = request.environ
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        match = self.app.matched if len(path) <= PATH_CHARACTERS else self.app.match
        try:
            request.url_rule, arguments = match(path, method)
            request.view_args = dict(arguments)
        except HTTPException as error:
            request.routing_exception = error


def _decoded(path: str) -> str:
    """A path as WSGI has it, in characters (PEP 3333)."""
    return path.encode("latin-1").decode("utf-8", "replace")


class _EndpointHooks(NamedTuple):
    """What is called for each request to one endpoint, in its order."""

    before: tuple[Callable[[], Any], ...]
    after: tuple[Callable[[Response], Response], ...]
    teardown: tuple[Callable[[BaseException | None], None], ...]


class LeanFlask(Flask):
    """Flask with what a gateway does not need left out, by its own extension points."""

    request_class = _Request

    def __init__(self, name: str) -> None:
        super().__init__(name, static_folder=None)
        self.url_map.strict_slashes = False
        self.url_map.merge_slashes = False
        self.json.sort_keys = False  # type: ignore[attr-defined]
        self._hooks: dict[str | None, _EndpointHooks] = {}
        # Routes bound without a host: any Host is accepted, nothing is built from it (30 us a request).
        self._adapter = MapAdapter(self.url_map, "gateway.invalid", "/", "", "http", "/", "GET", None)
        self.matched = lru_cache(maxsize=1024)(self.match)

    def ensure_sync(self, func: Any) -> Any:
        """No view or hook is async; looking at each for every request costs 30 us."""
        return func

    def create_url_adapter(self, request: Any) -> MapAdapter | None:
        """One adapter for all requests, None for an app's context, because the gateway builds no URLs."""
        return self._adapter if request is not None else None

    def match(self, path: str, method: str) -> tuple[Rule, Mapping[str, Any]]:
        """What fits a path as WSGI has it. Raises werkzeug's exceptions where nothing does."""
        rule, arguments = self._adapter.match(_decoded(path), method, return_rule=True)
        return rule, arguments

    def make_default_options_response(self) -> Response:
        """As Flask's, of this request's path: the adapter of all requests has none."""
        response = self.response_class()
        response.allow.update(self._adapter.allowed_methods(_decoded(request.environ["PATH_INFO"])))
        return response

    def request_context(self, environ: dict[str, Any]) -> RequestContext:
        return _Context(self, environ, session=_NO_SESSION)

    def connection_context(self) -> AppContext:
        """An app context for all requests of a connection: otherwise Flask makes one for each (15 us)."""
        context = self.app_context()
        context.g = _NoGlobals()  # type: ignore[assignment]
        return context

    def full_dispatch_request(self) -> Any:
        """As Flask's: hooks, view, hooks. Its hooks were found once for each endpoint, not for each request, nobody
        listens to signals, and there is no session to save (30 us a request)."""
        self._got_first_request = True
        asked = request._get_current_object()  # type: ignore[attr-defined]
        rule = asked.url_rule
        hooks = self._hooks_of(rule.endpoint if rule is not None else None)
        found: Any = None
        try:
            for hook in hooks.before:
                found = hook()
                if found is not None:
                    break
            else:
                if asked.routing_exception is not None:
                    self.raise_routing_exception(asked)
                if asked.method == "OPTIONS" and rule.provide_automatic_options:
                    found = self.make_default_options_response()
                else:
                    found = self.view_functions[rule.endpoint](**asked.view_args)
        except Exception as error:
            found = self.handle_user_exception(error)
        response: Any = found if isinstance(found, AnyResponse) else self.make_response(found)
        for after in hooks.after:
            response = after(response)
        return response

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        rule = request._get_current_object().url_rule  # type: ignore[attr-defined]
        for hook in self._hooks_of(rule.endpoint if rule is not None else None).teardown:
            hook(exc)

    def _hooks_of(self, endpoint: str | None) -> _EndpointHooks:
        found = self._hooks.get(endpoint)
        if found is None:
            if self.url_value_preprocessors:
                raise NotImplementedError("LeanFlask calls no url_value_preprocessor")
            if self.teardown_appcontext_funcs:
                raise NotImplementedError("teardown_appcontext is called once a connection: use teardown_request")
            # A nested blueprint's hooks are those of the outer ones too: "a.b.view" is of "a" and "a.b".
            names = [None, *accumulate((endpoint or "").split(".")[:-1], "{}.{}".format)]
            marks = marks_of(self.view_functions[endpoint]) if endpoint is not None else NO_ROUTE
            found = self._hooks[endpoint] = _EndpointHooks(
                _hooks_for(marks, (self.before_request_funcs.get(name, ()) for name in names)),
                _hooks_for(marks, (reversed(self.after_request_funcs.get(name, ())) for name in names[::-1])),
                _hooks_for(marks, (reversed(self.teardown_request_funcs.get(name, ())) for name in names[::-1])),
            )
        return found


def _hooks_for(marks: RouteMarks, functions: Iterable[Iterable[Any]]) -> tuple[Any, ...]:
    """Those that apply to a view with these marks: all but the methods of a Hook that does not."""
    owners = ((function, getattr(function, "__self__", None)) for function in chain.from_iterable(functions))
    return tuple(function for function, owner in owners if not isinstance(owner, Hook) or owner.applies_to(marks))
