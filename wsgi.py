"""`gunicorn -c gunicorn.conf.py wsgi:app`."""

from blueprints import BLUEPRINTS
from gateway.app import create_app
from gateway.config import load

settings, warnings = load()
app = create_app(settings, BLUEPRINTS, warnings)
