"""The OpenAPI 3.1 document, as plain data: a module for each owner of paths, one for each kind of component."""

from blueprints.docs.openapi.document import TAGS, Facts, document
from blueprints.docs.openapi.merge import merged

__all__ = ["TAGS", "Facts", "document", "merged"]
