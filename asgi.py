"""`app` for gunicorn's `asgi` worker (asgi:app): the hot calls on an event loop, everything else through Flask."""

from consent.views.fast_door import door_for
from wsgi import app as flask_app

app = door_for(flask_app)
