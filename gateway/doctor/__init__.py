"""What an operator wants to know of a deployment, and of one token: findings, each with what to do."""

from gateway.doctor.finding import Finding, Verdict, of_warning

__all__ = ["Finding", "Verdict", "of_warning"]
"""The checks themselves are imported from their modules: what one needs is not what another does."""
