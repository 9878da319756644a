"""What setup.py asks for."""

import ast

from packaging.requirements import Requirement

from harness.repository import ROOT


def requirements(*lists: str) -> dict[str, Requirement]:
    """Those of setup.py, by name."""
    module = ast.parse((ROOT / "setup.py").read_text())
    found = {ast.unparse(node.targets[0]): node.value for node in module.body if isinstance(node, ast.Assign)}
    lines = [line for name in lists or ("RUN",) for line in ast.literal_eval(found[name])]
    return {requirement.name: requirement for requirement in map(Requirement, lines)}
