"""Builds the engines: one module for each part, which returns a small frozen group and lists its parts with a life."""

from gateway.wiring.engines import Engines, build_engines, engines

__all__ = ["Engines", "build_engines", "engines"]
