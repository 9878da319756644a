"""The gunicorn worker: what gunicorn leaves open about slow, silent, broken and leaving clients, and about the end."""

from gateway.worker.worker import GatewayWorker

__all__ = ["GatewayWorker"]
