"""HTTP: requests into verbs, results into responses. No rule lives here."""

from flask import Flask

from consent.config import Settings
from consent.views import (
    admin,
    backends,
    console,
    demo,
    docs,
    errors,
    headers,
    language,
    leak_reports,
    leave,
    ops,
    protection,
    recovery,
    reports,
    sign_in,
    visitor,
)
from consent.views.console import (
    accounts,
    alert_list,
    archive,
    audit,
    editor,
    experiment,
    leaks,
    publishing,
    scans,
    start,
    tag,
    trackers,
    visitors,
)
from consent.views.console import keys as _keys  # noqa: F401  # its routes are of accounts.views, as are those of
from consent.views.console import messages as _messages  # noqa: F401  # and this
from consent.views.console import security as _security  # noqa: F401  # this
from consent.views.console import settings as settings_page


def register(app: Flask, settings: Settings) -> None:
    """Add every view to the application."""
    errors.register(app)
    language.register(app)
    headers.register(app, settings)
    protection.register(app, settings)
    sign_in.register(app, settings)
    own = (
        console.views, start.views, settings_page.views, publishing.views, archive.views, tag.views, accounts.views,
        audit.views, sign_in.views, reports.views, visitor.views, recovery.views, leak_reports.views, backends.views,
        ops.views, docs.views, demo.home, scans.views, trackers.views, editor.views, experiment.views, leaks.views,
        visitors.views, leave.views, alert_list.views,
    )
    for blueprint in own:
        app.register_blueprint(blueprint)
    admin.register(app, settings)
    if settings.demo:
        app.register_blueprint(demo.views)
