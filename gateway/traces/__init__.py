"""Ended spans on their way out: to Jaeger as Thrift over HTTP, to any collector as OTLP over HTTP."""

from gateway.traces.jaeger import JaegerExporter
from gateway.traces.otlp import OtlpExporter
from gateway.traces.pipeline import SpanPipeline, span_pipeline

__all__ = ["JaegerExporter", "OtlpExporter", "SpanPipeline", "span_pipeline"]
