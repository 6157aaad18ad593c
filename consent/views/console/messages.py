"""Which mails a member gets: alerts and the weekly summary of each organisation, and their language."""

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_security import current_user

from consent import letters, subscriptions
from consent.db import writing
from consent.views.console.accounts import views


@views.get("/security/messages")
def messages() -> ResponseReturnValue:
    """What one gets, with a form for each organisation."""
    return render_template("console/messages.html", choices=subscriptions.choices(current_user),
                           chosen=current_user.language_chosen, mails=letters.can_be_sent())


@views.post("/security/messages")
def choose_messages() -> ResponseReturnValue:
    """Keep it all: an organisation whose boxes are not ticked sends nothing. It is asked of one's own alone."""
    user = current_user._get_current_object()
    with writing():
        subscriptions.choose_language(user, request.form.get("language", ""))
        for each in subscriptions.choices(user):
            ticked = {kind: f"{kind}{each.organisation.id}" in request.form for kind in subscriptions.KINDS}
            subscriptions.choose(user.id, each.organisation.id, ticked["alerts"], ticked["weekly"])
    return redirect(url_for("accounts.messages", saved=1), 303)
