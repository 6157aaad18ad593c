"""gunicorn -c gunicorn.conf.py -k asgi asgi:app, or wsgi:app without -k: the numbers are Poort's settings.

gunicorn reads this file at the start and again at HUP. A setting that can not be used ends the start with one sentence;
check before a reload: `gunicorn --check-config -c gunicorn.conf.py -k asgi asgi:app` (deploy/poort.service does).
"""

import importlib
import os
import shutil
import signal
import sys
import tempfile
from typing import Any

from gunicorn.workers import SUPPORTED_WORKERS

from consent.config import ConfigError, load
from consent.logs import configuration

try:
    _settings = load(os.environ)
except ConfigError as _error:
    sys.exit(f"Poort does not start: {_error}")

# Loopback only: nginx in front is part of the product (forty slow connections froze a bare gunicorn).
bind = f"127.0.0.1:{_settings.port}"
workers = _settings.web_concurrency
# Without -k: threads, in which requests wait for the disk. -k asgi is gunicorn's event loop with our limits on it.
worker_class = "consent.worker.Worker"
SUPPORTED_WORKERS["asgi"] = "consent.worker.AsyncWorker"
asgi_loop = "uvloop"
threads = _settings.threads  # under asgi those of the Flask application
worker_connections = _settings.connections
# For a worker whose main loop hangs. It does not limit a request: a decision waits 10 seconds for the disk at most.
timeout = max(30, _settings.request_seconds + 5)  # gunicorn also ends a body that pauses for so long
# At HUP and TERM what is being stored is stored and answered before a worker ends.
graceful_timeout = _settings.grace
# Longer than nginx keeps its connections to us (deploy/nginx), so that it is never nginx that finds one closed.
keepalive = _settings.keepalive
# No restarts after so many requests: they would hide a leak, and each costs a pause.
max_requests = 0
# Each worker imports for itself, so HUP takes new code.
preload_app = False
# A receipt is at most 4 kB of cookie; the rest of the headers of a browser fit in the same again.
limit_request_line = 4094
limit_request_fields = 50
limit_request_field_size = 8190
# Poort reads X-Forwarded-* itself, as many hops as POORT_PROXIES says (app.py); gunicorn believes nobody.
forwarded_allow_ips = ""
control_socket_disable = True  # one more door, and two servers of one user would share it

loglevel = _settings.log_level
logconfig_dict = configuration(_settings.log_level)
logger_class = "consent.worker.Log"
accesslog = None  # each line would hold an address and a path; POORT_ACCESS_LOG has neither


def _metrics_folder() -> str:
    """Where the workers of this master count; a reload keeps it, every other start has an empty one of its own."""
    prefix = f"poort-metrics-{os.getpid()}-"
    known = os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")
    return known if prefix in known else tempfile.mkdtemp(prefix=prefix)


# Before prometheus_client is imported: it looks once.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = _metrics_folder()

# What does not change with our code is imported here, once: the workers share its memory and start sooner.
for _name in ("flask_migrate", "flask_security", "marshmallow", "prometheus_client.multiprocess", "user_agents.parsers",
              "sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql", "psycopg", "pysqlite3", "brotli",
              "msgspec"):
    importlib.import_module(_name)


def post_fork(server: Any, worker: Any) -> None:
    """Who is told to stop before it serves ends: the master's handler, which it has till then, would swallow that."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def post_worker_init(worker: Any) -> None:
    """The worker has loaded the application."""
    from consent.worker import collect_less

    collect_less()


def child_exit(server: Any, worker: Any) -> None:
    """A worker is gone: what it had waiting no longer counts, what it counted stays."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def when_ready(server: Any) -> None:
    """The master listens: with POORT_JOBS it keeps one process for the jobs too."""
    if _settings.jobs:
        from consent.scheduler import keep

        keep(server)


def on_reload(server: Any) -> None:
    """HUP: the jobs too go on with new code."""
    from consent.scheduler import renew

    renew(server)


def on_exit(server: Any) -> None:
    """The master ends, its jobs and its counters with it."""
    from consent.scheduler import end

    end(server)
    shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)


# What was imported here is forgotten, so that workers started by a HUP do not mix old and new modules.
for _name in [name for name in sys.modules if name.split(".")[0] == "consent"]:
    del sys.modules[_name]
