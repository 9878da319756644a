"""What stands before the gateway: PUBLIC_URL asked as a browser would."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.doctor.deployment import Answer, Deployment
from gateway.doctor.finding import Finding, bad, good, questionable, unknown


def trusted_proxies(deployment: Deployment) -> Iterator[Finding]:
    """The gateway speaks plain http: where its address is https, somebody stands before it."""
    settings = deployment.settings
    if settings.public_url.startswith("https:") and not settings.trusted_proxies:
        yield questionable(
            "TRUSTED_PROXIES",
            "nobody, and PUBLIC_URL is https: a proxy stands before the gateway",
            "the proxy's addresses",
            "set TRUSTED_PROXIES to the addresses of nginx or the balancer as the gateway sees them: all clients share"
            " one address, and one rate limit, otherwise",
        )


def environment(deployment: Deployment) -> Iterator[Finding]:
    """What development forgives should not be forgiven where users come."""
    settings = deployment.settings
    if not settings.production and settings.public_url.startswith("https:"):
        yield questionable(
            "NODE_ENV",
            f"{settings.node_env}, and PUBLIC_URL is https: users come here",
            "production",
            "set NODE_ENV=production, or unset it: placeholders for secrets are problems then",
        )


def public_url(deployment: Deployment) -> Iterator[Finding]:
    """Whether it leads to a gateway, and to what it should not."""
    base, answer = deployment.settings.public_url, deployment.public()
    if not isinstance(answer, Answer):
        yield unknown(
            "PUBLIC_URL", f"{base} does not answer here ({answer.why})", "start the gateway and what is before it"
        )
    elif not answer.is_alive:
        yield bad(
            "PUBLIC_URL",
            f"{base}/health/live: status {answer.status}, no gateway's answer",
            "status 200 of the gateway",
            "PUBLIC_URL (or KEYCLOAK_REDIRECT_URI) with the path under which the proxy has the gateway, and the proxy's"
            " location that leads to it (deploy/nginx)",
        )
    else:
        yield good("PUBLIC_URL", f"{base} leads to a gateway")
        yield from _metrics(deployment, base)


def _metrics(deployment: Deployment, base: str) -> Iterator[Finding]:
    metrics = deployment.ask(base + "/metrics")
    if deployment.settings.public_url.startswith("https:") and isinstance(metrics, Answer) and metrics.status == 200:
        yield questionable(
            "/metrics",
            "can be read through PUBLIC_URL from here",
            "403 or 404 for who is outside",
            "close it in the proxy (deploy/nginx), or narrow METRICS_ALLOWED_NETWORKS",
        )


CHECKS = (environment, trusted_proxies, public_url)
