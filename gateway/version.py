"""Which gateway this is; setup.py reads the version from here."""

from __future__ import annotations

import os

VERSION = "1.0.0"
"""Semantic: settings, paths, bodies, metrics and events of a major version keep working (docs/deployment.md)."""

COMMIT = os.environ.get("GATEWAY_REVISION") or "unknown"
"""What it was built from, where the image says so."""
