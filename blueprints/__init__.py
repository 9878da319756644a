"""The routes, one blueprint for each owner of a path."""

from blueprints import auth, docs, health, interviews, media, metrics, users

BLUEPRINTS = (
    auth.blueprint,
    users.blueprint,
    interviews.blueprint,
    media.blueprint,
    health.blueprint,
    metrics.blueprint,
    docs.blueprint,
)
