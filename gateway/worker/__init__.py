"""The gunicorn worker of the gateway."""

from gateway.worker.worker import GatewayWorker

__all__ = ["GatewayWorker"]
