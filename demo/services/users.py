"""The user service: a profile per user, made on first sight. In memory; the longest unseen goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from flask import Flask, abort, jsonify
from flask.typing import ResponseReturnValue

from demo.services.service import Caller, body, caller, create_service, text

EDITABLE = ("firstName", "lastName", "headline", "phone")
MAX_PROFILES = 10_000

Profile = dict[str, Any]


class Profiles:
    """All profiles, behind a lock."""

    def __init__(self, known: Mapping[str, Profile]) -> None:
        """``known``: what profiles begin with, by the user's id."""
        self._known = known
        self._lock = threading.Lock()
        self._profiles: OrderedDict[str, Profile] = OrderedDict()

    def of(self, who: Caller, changes: Profile | None = None) -> Profile:
        """The caller's profile with ``changes`` in it; e-mail and roles are as the gateway says now."""
        with self._lock:
            new = {"id": who.id, **dict.fromkeys(EDITABLE, ""), **self._known.get(who.id, {})}
            profile = self._profiles.setdefault(who.id, new)
            profile |= {"email": who.email, "roles": list(who.roles), **(changes or {})}
            self._profiles.move_to_end(who.id)
            while len(self._profiles) > MAX_PROFILES:
                self._profiles.popitem(last=False)
            return dict(profile)


def create_users(known: Mapping[str, Profile] | None = None) -> Flask:
    """``GET`` and ``PUT /users/me``. ``known``: what profiles begin with, by the user's id."""
    app = create_service("user-service")
    profiles = Profiles(known or {})

    @app.get("/users/me")
    def me() -> ResponseReturnValue:
        return jsonify(profiles.of(caller()))

    @app.put("/users/me")
    def change_me() -> ResponseReturnValue:
        fields = body()
        if unknown := sorted(fields.keys() - set(EDITABLE)):
            abort(400, f"only {', '.join(EDITABLE)} can be changed, not {', '.join(unknown)}")
        changes = {name: text(fields, name) if fields[name] != "" else "" for name in fields}
        return jsonify(profiles.of(caller(), changes))

    return app
