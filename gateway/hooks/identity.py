"""The user of a request: determined before the request is counted, required after it was counted."""

from __future__ import annotations

from collections.abc import Callable

from gateway import errors
from gateway.authentication import Authenticator
from gateway.hooks.hook import Hook
from gateway.marks import RouteMarks
from gateway.scope import current


class LoadIdentityHook(Hook):
    """Stores the Principal of a request in its scope, or the error why there is none. Refuses nobody."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    def applies_to(self, marks: RouteMarks) -> bool:
        return marks.loads_identity

    def before_request(self) -> None:
        scope = current()
        try:
            scope.principal = self._authenticator.authenticate(scope.environ)
        except errors.GatewayError as refusal:
            errors.drop_traceback(refusal)
            scope.refusal = refusal


class RequireIdentityHook(Hook):
    """Raises the stored refusal, otherwise 401, if there is no Principal and the view is not public."""

    def applies_to(self, marks: RouteMarks) -> bool:
        return not marks.public

    def before_request(self) -> None:
        current().require_principal()


def require(role: str) -> Callable[[], None]:
    """A before-request guard for a blueprint, or for a call in a view. It raises Forbidden without the role."""

    def guard() -> None:
        if role not in current().require_principal().roles:
            raise errors.Forbidden(errors.ErrorCode.ROLE_MISSING)

    return guard
