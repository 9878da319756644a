"""The alerts as the Prometheus Operator takes them: `python tests/prometheus_rule.py` writes the manifest anew."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
MANIFEST = ROOT / "deploy" / "kubernetes" / "monitoring" / "prometheusrule.yaml"
HEAD = """\
# Written by tests/prometheus_rule.py from deploy/prometheus/alerts.yml: change that one.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: api-gateway
spec:
"""


def written() -> str:
    """The manifest, with the groups of the alerts as they are there."""
    groups = ALERTS.read_text().partition("\ngroups:\n")[2]
    lines = ["groups:", *groups.splitlines()]
    return HEAD + "".join(f"  {line}\n" if line else "\n" for line in lines)


if __name__ == "__main__":
    MANIFEST.write_text(written())
