"""The OpenAPI 3.1 document, as plain data: a module for each owner of paths, one for each kind of component."""

from blueprints.docs.openapi.document import Facts, document

__all__ = ["Facts", "document"]
