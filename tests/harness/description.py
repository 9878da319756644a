"""The description of the API that the client's types are made from.

`PYTHONPATH=.:tests python -m harness.description FILE` writes it; `make client` makes the types of it.
"""

import json
import sys
from pathlib import Path

from blueprints.docs.openapi import Facts, document
from gateway.services import SERVICES
from harness.repository import ROOT

CLIENT = ROOT / "clients" / "typescript"


def described() -> str:
    """The document of a gateway with everything, as JSON."""
    names = frozenset(spec.name for spec in SERVICES)
    facts = Facts(
        services=names,
        peers=(*(spec.health_name for spec in SERVICES), "keycloak", "kafka", "redis"),
        max_body=1 << 20,
        max_upload=2 << 30,
        cookie="__Host-gateway_access",
        url="https://api.example.com",
    )
    return json.dumps(document(facts), indent=2)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(described())
