"""The gateway as systemd starts it: a socket that somebody else holds, word of its state, no memory both written to and
run."""

import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.gateway import Gateway
from harness.repository import ROOT

PRELUDE = """
import ctypes, os, sys
os.dup2(int(sys.argv[1]), 3, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
ctypes.CDLL(None, use_errno=True).prctl(65, 1, 0, 0, 0)  # PR_SET_MDWE, as MemoryDenyWriteExecute= from Linux 6.3 on
os.umask(0o077)
os.execv(sys.executable, [sys.executable, "-m", "gunicorn", *sys.argv[2:]])
"""


class ActivatedGateway(Gateway):
    """`listener` stays open while the gateway ends and begins anew; `states` is what it told its supervisor."""

    def __init__(self, listener: socket.socket, env: Mapping[str, str | None], *, cwd: Path, **options: Any) -> None:
        self.listener = listener
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.bind(str(cwd / "notify"))
        self._notified.setblocking(False)
        super().__init__({**env, "NOTIFY_SOCKET": str(cwd / "notify")}, cwd=cwd, **options)

    def _environment(self, *arguments: Any) -> dict[str, str]:
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return super()._environment(*arguments)

    def _spawn(self) -> subprocess.Popen[bytes]:
        number = self.listener.fileno()
        command = [sys.executable, "-c", PRELUDE, str(number), "-c", str(ROOT / "gunicorn.conf.py"), self.app]
        with self._stdout.open("ab") as out, self._stderr.open("ab") as err:
            return subprocess.Popen(
                command, cwd=self.cwd, env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                start_new_session=True, pass_fds=[number],
            )  # fmt: skip

    def states(self) -> list[str]:
        """What it has told since this was asked last."""
        found = []
        while True:
            try:
                found.append(self._notified.recv(4096).decode())
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._notified.close()
