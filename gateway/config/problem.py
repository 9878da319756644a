"""Problems of a configuration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One setting that is wrong: its name, and what was expected or what to do. Never its value."""

    name: str
    advice: str

    def __str__(self) -> str:
        return f"{self.name}: {self.advice}"


class ProblemsFound(Exception):
    """The configuration cannot be used; `problems` holds all that is wrong with it, `warnings` what is doubtful
    besides: a misspelled name is often why another one is missing."""

    def __init__(self, problems: list[Problem], warnings: tuple[Problem, ...] = ()) -> None:
        self.problems = tuple(problems)
        self.warnings = warnings
        super().__init__("\n".join(map(str, problems)))
