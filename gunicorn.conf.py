"""gunicorn -c gunicorn.conf.py wsgi:app: workers, threads and time-outs, all from Poort's settings table."""

import os
import sys

from consent.config import ConfigError, load

try:
    _settings = load(os.environ)
except ConfigError as _error:
    sys.exit(f"Poort does not start: {_error}")

bind = f"127.0.0.1:{_settings.port}"
workers = _settings.web_concurrency
worker_class = "gthread"
threads = _settings.threads
timeout = 30
graceful_timeout = 30  # what is being stored is stored and answered before a worker ends
keepalive = 5
max_requests = 0
limit_request_line = 4094
limit_request_fields = 50
limit_request_field_size = 8190
accesslog = None  # it would hold addresses; Poort logs without them
forwarded_allow_ips = "127.0.0.1" if _settings.proxies else ""
