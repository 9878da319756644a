"""The routes, one blueprint for each owner of a path."""

from blueprints import auth, docs, health, interviews, media, users

BLUEPRINTS = (auth.blueprint, users.blueprint, interviews.blueprint, media.blueprint, health.blueprint, docs.blueprint)
