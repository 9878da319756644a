"""The description of the API: OpenAPI for programs, a page for people."""

from blueprints.docs.views import blueprint

__all__ = ["blueprint"]
