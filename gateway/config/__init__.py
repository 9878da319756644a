"""The settings: read once from the environment and `.env`, typed, frozen, every problem reported at once."""

from gateway.config.load import load
from gateway.config.problem import Problem, ProblemsFound
from gateway.config.settings import Settings

__all__ = ["Problem", "ProblemsFound", "Settings", "load"]
