"""The tag of a site in every form, and where to put it."""

from flask import Blueprint, current_app, render_template, send_file
from flask.typing import ResponseReturnValue

from consent import sites, tags
from consent.views.console import members_only
from consent.views.console.doors import member_of

views = Blueprint("tag", __name__, url_prefix="/console/sites/<key>")
members_only(views)


@views.get("/tag")
def page(key: str) -> ResponseReturnValue:
    """Snippets to copy: plain, pinned, automatic, for Tag Manager, WordPress and nginx, the declaration, the cookie."""
    site, role = member_of(key)
    url = current_app.extensions["poort.settings"].public_url
    in_http, in_server = tags.keeper(site)
    return render_template(
        "console/tag.html", site=site, role=role, public_url=url,
        plain=sites.snippet(site, url), pinned=tags.pinned(site, url), auto=sites.snippet(site, url, auto=True),
        wordpress=tags.wordpress(site, url), nginx=tags.nginx(site, url),
        declaration=sites.declaration_snippet(site, url), durable=tags.durable(url), in_http=in_http,
        in_server=in_server, can_look="scans.page" in current_app.view_functions,
    )


@views.get("/tag/poort.tpl")
def template(key: str) -> ResponseReturnValue:
    """The tag template for Google Tag Manager, to import there."""
    member_of(key)
    return send_file(tags.TEMPLATE, mimetype="text/plain", as_attachment=True, download_name="poort.tpl")
