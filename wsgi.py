"""`app` for gunicorn (wsgi:app) and for the `flask` command."""

import os
import secrets
import sys

from app import create_app
from consent.config import ConfigError

KEYS = ("POORT_SECRET_KEYS", "POORT_SECRET_KEYS_FILE")


def _overrides() -> dict[str, str]:
    """A command that serves nobody signs nothing: it may run without the keys. A server may not."""
    command = os.environ.get("FLASK_RUN_FROM_CLI") == "true" and "run" not in sys.argv[1:2]
    if command and not any(os.environ.get(name, "").strip() for name in KEYS):
        return {KEYS[0]: secrets.token_urlsafe(48)}
    return {}


try:
    app = create_app(**_overrides())
except ConfigError as error:
    print(f"Poort does not start: {error}", file=sys.stderr)
    sys.exit(3)  # gunicorn's own status for a worker that can not start: it gives up instead of trying for ever
