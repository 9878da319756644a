"""gunicorn's configuration: `gunicorn -c gunicorn.conf.py wsgi:app`.

This file runs in the master before gevent's patches, so it must not import ssl or requests, even indirectly. It reads
the settings from `python -m gateway.check` in a separate process, which also reports all of their problems before a
port is bound.
"""

import atexit
import contextlib
import gc
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECK_SECONDS = 60  # on a reload the master does nothing else meanwhile


def _installed_first():
    """Move the working directory, which gunicorn puts first, to the end of the path. Otherwise gunicorn in a checkout
    would run that code instead of the installed package, even if it is only partly updated."""
    # After USR2 of `python -m gunicorn`, gunicorn's own folder is there too, whose `http` hides Python's.
    own = str(Path(sys.modules["gunicorn"].__file__).parent)
    sys.path[:] = sorted((f for f in sys.path if f != own), key=lambda folder: folder in ("", os.getcwd()))


_CHECK = """
import sys
sys.path.append(sys.path.pop(0))
from gateway.check import main
from gateway.bind import BindTrial
from gateway.settings_files import SettingsRead
trial = BindTrial(starts=sys.argv[1] == "starts", own=sys.argv[2], elsewhere=sys.argv[1] == "elsewhere")
sys.exit(main(trial, SettingsRead()))
"""


def _checked(way, own=""):
    """The result of the check: (the settings for gunicorn or None, the problems). `way`: `starts` where gunicorn binds
    next, `reloads` where it listens at the address `own`, `elsewhere` where it listens at others than the settings'.

    What it read is kept for the workers: those of now, and those that replace them."""
    command = [sys.executable, "-c", _CHECK, way, own]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CHECK_SECONDS)
    except subprocess.TimeoutExpired:
        return None, f"the check of the configuration took over {CHECK_SECONDS} s: is a file that it names on a disk?"
    except OSError as error:  # no memory, descriptor or process for it; an exception would end a master that reloads
        return None, f"the check of the configuration could not be started: {error.strerror}"
    if done.returncode:
        return None, done.stderr.strip() or "the check of the configuration failed"
    from gateway.settings_files import keep

    found = json.loads(done.stdout)
    keep(found.pop("files"))
    return found, done.stderr.strip()


# What gunicorn is told beside this file.
_told = [*sys.argv[1:], *shlex.split(os.environ.get("GUNICORN_CMD_ARGS", ""))]


def _listens_elsewhere():
    """Whether gunicorn is given its sockets by systemd or the master before (USR2), or told where to listen by its
    command line: what HOST and PORT say is then not bound. Nor where gunicorn is only asked for its configuration."""
    given = os.environ.get("LISTEN_PID") == str(os.getpid()) or "GUNICORN_FD" in os.environ
    return given or any(
        re.match(r"-b|--(?:bind|reuse-port|check-config|print-config)\b", argument) for argument in _told
    )


def _metrics_folder():
    """A new folder for what workers count, its room for those that have ended taken; None where there is none. Those
    of masters that were killed are removed."""
    from gateway.metrics_files import ENDED, FOLDER_PREFIX, hold, remove_abandoned, take_room

    if worker_tmp_dir is not None:
        remove_abandoned(Path(worker_tmp_dir))
    for place in (worker_tmp_dir, None):
        try:
            folder = tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=place)
        except OSError:
            continue
        try:
            hold(Path(folder))
            remove_abandoned(Path(folder).parent)  # its own is locked
            take_room(Path(folder), ENDED)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            return folder
    return None


def _remove(folder, master):
    """Remove the files of the metrics when the master exits, even after a failed start; a worker leaves them."""
    if os.getpid() == master:
        shutil.rmtree(folder, ignore_errors=True)


_ENDS = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT)


def _exits_while_it_starts():
    """Let a worker exit at once on a signal until it has handlers of its own. It has copies of the master's, which
    ignore signals there, so it would otherwise continue until `graceful_timeout`."""
    for number in _ENDS:
        signal.signal(number, lambda signum, frame: os._exit(0))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)


os.umask(0o077)  # what it writes is for its user alone; of a Unix socket gunicorn's own `umask` decides
_installed_first()
# A reload reads this file again, with what was found good just before (`when_ready`).
_reads_again = os.environ.get("API_GATEWAY_METRICS_OF") == str(os.getpid())
if _reads_again and "API_GATEWAY_CHECKED" in os.environ:
    _settings, _problems = json.loads(os.environ["API_GATEWAY_CHECKED"]), ""
else:
    _settings, _problems = _checked("elsewhere" if _listens_elsewhere() else "starts")
if _settings is None:
    print(_problems, file=sys.stderr)
    sys.exit(1)

# The heartbeat must not wait for a disk, and a full disk would kill the workers that count in files.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

# Each worker counts in files of its own there; it has to be named before any worker imports prometheus_client. A reload
# reads this file again, and keeps the folder; a master that another one has begun (USR2) makes its own.
if not _reads_again:
    os.register_at_fork(  # a signal that arrives during the fork is held until the worker no longer ignores it
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS),
        after_in_child=_exits_while_it_starts,
    )
    os.environ["API_GATEWAY_METRICS_OF"] = str(os.getpid())
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    if (_made := _metrics_folder()) is not None:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = _made
        atexit.register(_remove, _made, os.getpid())
_metrics = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]) if "PROMETHEUS_MULTIPROC_DIR" in os.environ else None

from gateway.cpus import usable_cpus  # noqa: E402  # of the gateway that _installed_first chose

bind = _settings["bind"]
workers = _settings["workers"] or usable_cpus()
loglevel = {"warn": "warning"}.get(_settings["level"], _settings["level"])

worker_class = "gateway.worker.GatewayWorker"
worker_connections = 2000
preload_app = False  # built in each worker, after the patch and the fork
logger_class = "gateway.logs.GunicornLogger"
proc_name = "api-gateway"
control_socket_disable = not any(re.match(r"--control-socket\b(?!-)", argument) for argument in _told)

keepalive = 75  # longer than nginx keeps a connection to us (60 s)
graceful_timeout = _settings["graceful_timeout"]  # the arbiter kills what takes longer
limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 32768  # all cookies are one field

# Only TRUSTED_PROXIES determines which peers can state a client's address.
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers = {}
header_map = "drop"
permit_unconventional_http_method = True  # answered 501 by the app, in our shape


def when_ready(server):
    """A reload with an invalid configuration would end the master, so it is checked first and refused."""
    reload = signal.getsignal(signal.SIGHUP)

    listens = {"at": bind}
    asked = []  # the signals that no check has followed yet

    def checked_reload(signum, frame):
        settings, problems = _checked("elsewhere" if _listens_elsewhere() else "reloads", listens["at"])
        if settings is None:
            server.log.error("reload refused, the workers keep their configuration. %s", problems)
        else:
            listens["at"] = settings["bind"]
            os.environ["API_GATEWAY_CHECKED"] = json.dumps(settings)
            reload(signum, frame)

    def guarded(signum, frame):
        asked.append(signum)
        if len(asked) > 1:
            return  # it arrived during a check, which the loop below repeats: the file may have changed since
        while asked:
            before = len(asked)
            checked_reload(signum, frame)
            del asked[:before]

    signal.signal(signal.SIGHUP, guarded)
    from gateway.version import COMMIT, VERSION

    server.log.info("Gateway: version %s, commit %s", VERSION, COMMIT, extra=_settings["start"])


def pre_fork(server, worker):
    """Create the folder again if somebody removed it, so that a worker can start. Exclude the master's imports from
    garbage collection, which would write to them and so create a copy in each worker."""
    if _metrics is not None:
        from gateway.metrics_files import make_again

        with contextlib.suppress(OSError):
            make_again(_metrics)
    gc.collect()
    gc.freeze()


def post_fork(server, worker):
    os.umask(0o077)  # again: gunicorn sets its own when it becomes a daemon
    _take_room_for_metrics(server, worker)


def _take_room_for_metrics(server, worker):
    """Without room a worker counts by itself: it must not end by it."""
    from gateway.metrics_files import take_room

    try:
        if _metrics is None:
            raise FileNotFoundError("no folder has room for its files")
        take_room(_metrics, os.getpid())
    except OSError as fault:
        os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
        server.log.error("Metrics: worker %d reports only its own: %s", os.getpid(), fault.strerror or fault)


def child_exit(server, worker):
    """A worker has exited: remove its gauges and exemplars, and keep its counters for the others
    (gateway/exposition.py)."""
    for file in () if _metrics is None else _metrics.glob(f"exemplars_{worker.pid}.*"):
        with contextlib.suppress(OSError):
            file.unlink()
    for file in () if _metrics is None else _metrics.glob(f"*_{worker.pid}.db"):
        kind = file.name.partition("_")[0]
        try:
            if kind == "gauge" or not file.stat().st_size:
                file.unlink()
            else:
                file.rename(_metrics / f"ended-{kind}-{worker.pid}-{time.time_ns()}")
        except OSError:
            server.log.warning("Metrics: the counts of worker %d are lost", worker.pid)


def post_worker_init(worker):
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
