"""Traces: which requests have spans, their content, and their exporters."""

from gateway.traces.jaeger import JaegerExporter
from gateway.traces.otlp import OtlpExporter
from gateway.traces.pipeline import span_pipeline
from gateway.traces.provider import tracing_to
from gateway.traces.tracing import Tracing

__all__ = ["JaegerExporter", "OtlpExporter", "Tracing", "span_pipeline", "tracing_to"]
