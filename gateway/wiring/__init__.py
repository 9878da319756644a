"""How the engines are made: a module for each part, which returns a small frozen group and lists what of it lives."""

from gateway.wiring.engines import Engines, build_engines, engines

__all__ = ["Engines", "build_engines", "engines"]
