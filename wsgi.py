"""`app` for gunicorn (wsgi:app) and for the `flask` command."""

import sys

from app import create_app
from consent.config import ConfigError

try:
    app = create_app()
except ConfigError as error:
    sys.exit(f"Poort does not start: {error}")
