"""The version of the gateway; setup.py reads it from here."""

from __future__ import annotations

import os

VERSION = "1.0.0"
"""Semantic: settings, paths, bodies, metrics and events of a major version keep working (docs/deployment.md)."""

COMMIT = os.environ.get("GATEWAY_REVISION") or "unknown"
"""The commit that it was built from, if the image states it."""
