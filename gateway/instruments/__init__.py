"""What is counted and measured, for Prometheus: `metrics.py` defines every metric."""

from gateway.instruments.exemplars import Exemplars, WithExemplars
from gateway.instruments.metrics import WRITE_SECONDS, Instruments
from gateway.instruments.parts import ServiceMetrics, TokenMetrics

__all__ = ["WRITE_SECONDS", "Exemplars", "Instruments", "ServiceMetrics", "TokenMetrics", "WithExemplars"]
