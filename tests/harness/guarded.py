"""The gateway with views for one role, by a guard of their blueprint and by a call: `harness.guarded:app`."""

from flask import Blueprint, Response, jsonify

from blueprints import BLUEPRINTS
from gateway.app import create_app
from gateway.config import load
from gateway.hooks.identity import require

reports = Blueprint("reports", __name__)
reports.before_request(require("recruiter"))

summary = Blueprint("summary", __name__)


@reports.get("/own/reports")
def listed() -> Response:
    return jsonify("for recruiters")


@summary.get("/own/summary")
def short() -> Response:
    require("recruiter")()
    return jsonify("for recruiters")


settings, warnings = load()
app = create_app(settings, (*BLUEPRINTS, reports, summary), warnings)
