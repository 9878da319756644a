"""The routes, with one blueprint for each path."""

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
