"""What is counted and measured, for Prometheus: `metrics.py` defines every metric."""

from gateway.instruments.metrics import WRITE_SECONDS, Instruments
from gateway.instruments.parts import ServiceMetrics, TokenMetrics

__all__ = ["WRITE_SECONDS", "Instruments", "ServiceMetrics", "TokenMetrics"]
