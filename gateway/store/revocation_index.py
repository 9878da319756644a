"""The index of revocations in a worker: every request needs it, so it is a lookup in a dict."""

from __future__ import annotations

import struct
from contextlib import suppress
from math import ceil
from time import monotonic, time

from gateway.store.counters import MachineCounters
from gateway.store.local import MAX_REVOCATIONS, FileUnusable, LocalStore
from gateway.store.sealing import Sealer

_TIMES = struct.Struct("<dd")


def sealed_end(sealer: Sealer, session: str, at: float, until: float) -> tuple[bytes, bytes]:
    """Name and sealed value of a revocation."""
    name = sealer.name("ended", session)
    return name, sealer.seal(name, _TIMES.pack(at, until) + session.encode())


def opened_end(sealer: Sealer, name: bytes, value: bytes) -> tuple[str, float, float] | None:
    """(session, at, until), None if the value was not sealed by this deployment."""
    text = sealer.open(name, value)
    if text is None:
        return None
    at, until = _TIMES.unpack_from(text)
    return text[_TIMES.size :].decode(), at, until


class RevocationIndex:
    """At most `MAX_REVOCATIONS` sessions, the one that ended first goes first. Read again from the machine's file when,
    and only when, its number in shared memory is another."""

    def __init__(
        self, local: LocalStore, sealer: Sealer, counters: MachineCounters, most: int = MAX_REVOCATIONS
    ) -> None:
        """`counters`: where ends are written, too, while the file can not be; `most`: how many are kept."""
        self._local = local
        self._sealer = sealer
        self._counters = counters
        self._most = most
        self._unwritten: dict[str, tuple[float, float]] = {}
        self._sessions: dict[str, tuple[float, float]] = {}
        self._seen = 0
        self._last = 0

    def at(self, *sessions: str) -> float | None:
        """When the last of these ended (seconds since the epoch), None where none did or that is forgotten. 0.3 us, no
        system call."""
        if self._local.ended_count[0] != self._seen:
            self.catch_up()
        if self._sessions.keys().isdisjoint(sessions) and not self._counters.table.marked:
            return None
        return max((end[0] for end in map(self.end_of, sessions) if end is not None), default=None)

    def end_of(self, session: str) -> tuple[float, float] | None:
        """When it ended and until when that is remembered, None where it did not or that is forgotten."""
        if self._local.ended_count[0] != self._seen:
            self.catch_up()
        found = self._sessions.get(session)
        known = found if found is not None and found[1] > time() else None
        if not self._counters.table.marked:
            return known
        at, left = self._counters.table.read(self._sealer.counter(f"ended {session}"))
        noted = (float(at), time() + left) if at else None
        return max(filter(None, (known, noted)), default=None)

    def end(self, session: str, at: float, until: float, *, shared: bool) -> int | None:
        """Keep that it ended, here and for all processes; its number, None where as late an end is known or it could
        not be written. `shared`: whether other machines know.

        If it cannot be written where every process sees it, it goes into the counter table (shared memory already
        reserved), so that all workers still refuse the session. It is written later, when that can be done."""
        name, value = sealed_end(self._sealer, session, at, until)
        self.remember(session, at, until)
        number = None
        try:
            number = self._local.end(name, value, at, until, shared=shared)
        except FileUnusable:
            self._unwritten[session] = at, until
        if session in self._unwritten or not self._local.all_see_it:
            table = self._counters.table
            table.note(self._sealer.counter(f"ended {session}"), ceil(at), monotonic() + until - time())
            table.mark()
        return number

    def write_late(self) -> None:
        """Write the revocations that could not be written before."""
        while self._unwritten and self._local.all_see_it:
            session, (at, until) = next(iter(self._unwritten.items()))
            try:
                self._local.end(*sealed_end(self._sealer, session, at, until), at, until, shared=False)
            except FileUnusable:
                return
            del self._unwritten[session]

    def knows(self, session: str, at: float, until: float) -> bool:
        """Whether as late an end of the session is known."""
        if self._local.ended_count[0] != self._seen:
            self.catch_up()
        known = self._sessions.get(session)
        return known is not None and known >= (at, until) and known[1] > time()

    def catch_up(self) -> None:
        """Read the revocations since the last time."""
        seen = self._local.ended_count[0]
        for number, name, value in self._local.ended_after(self._last):
            opened = opened_end(self._sealer, name, value)
            if opened is not None:
                self.remember(*opened)
            self._last = max(self._last, number)
        self._seen = seen

    def remember(self, session: str, at: float, until: float) -> None:
        """The session ended at `at`, and is remembered until `until`; the latest end wins."""
        known = self._sessions.pop(session, (at, until))
        self._sessions[session] = max(known, (at, until)) if known[1] > time() else (at, until)
        while len(self._sessions) > self._most:
            del self._sessions[next(iter(self._sessions))]

    def forget_expired(self) -> None:
        now = time()
        for session in [session for session, (_, until) in self._sessions.items() if until <= now]:
            del self._sessions[session]

    def write_again(self) -> None:
        """The machine's file was replaced: write the known revocations to it."""
        self._last = 0
        for session, (at, until) in list(self._sessions.items()):
            with suppress(FileUnusable):
                self._local.end(*sealed_end(self._sealer, session, at, until), at, until, shared=True)
        self.catch_up()
