"""The gateway with a route whose calls have time-outs of their own: `harness.own_timeouts:app`."""

from flask import Blueprint
from werkzeug.wrappers import Response

from blueprints import BLUEPRINTS
from gateway.app import create_app
from gateway.config import load
from gateway.services import INTERVIEWS
from gateway.transport import Timeouts
from gateway.wiring import engines

blueprint = Blueprint("own", __name__)


@blueprint.get("/own/slow")
def slow() -> Response:
    return engines().services.of(INTERVIEWS).forward(timeouts=Timeouts(connect=2.0, read=20.0, total=20.0))


settings, warnings = load()
app = create_app(settings, (*BLUEPRINTS, blueprint), warnings)
