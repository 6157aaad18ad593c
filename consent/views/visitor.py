"""What a visitor may see of what they said, and what the site showed: /v1/sites/{site}/me, versions, declaration."""

from flask import Blueprint

views = Blueprint("visitor", __name__)
