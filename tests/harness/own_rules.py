"""The gateway with views of somebody's own that carry their rate limits in one line: `harness.own_rules:app`."""

from flask import Blueprint, Response, jsonify

from blueprints import BLUEPRINTS
from gateway.app import create_app
from gateway.config import load
from gateway.limits import by_address, by_caller
from gateway.marks import free, limited, public

blueprint = Blueprint("own", __name__)


@blueprint.get("/own/ten")
@limited("10 per minute", by_caller)
def ten() -> Response:
    return jsonify("ten")


@blueprint.get("/own/several")
@public
@limited("2 per hour; 50 per day", by_address)
def several() -> Response:
    return jsonify("several")


@blueprint.get("/own/free")
@public
@free
def unlimited() -> Response:
    return jsonify("free")


settings, warnings = load()
app = create_app(settings, (*BLUEPRINTS, blueprint), warnings)
