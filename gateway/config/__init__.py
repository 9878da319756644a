"""The settings: read once from the environment and `.env`, typed, frozen, every problem reported at once."""

from gateway.config.load import Problem, ProblemsFound, load
from gateway.config.settings import Settings

__all__ = ["Problem", "ProblemsFound", "Settings", "load"]
