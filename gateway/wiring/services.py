"""The services: one proxy for each row of the table, and the probes of `/health`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import inf

from gateway import errors, probes
from gateway.config import Settings
from gateway.instruments import Instruments
from gateway.probes import Probes
from gateway.proxy import CallBounds, DisconnectMonitor, ServiceProxy, Upstream
from gateway.scope import Principal
from gateway.services import SERVICES, ServiceSpec
from gateway.wiring.lifecycle import Part, Stage
from gateway.wiring.outbound import Outbound, bounds_of


@dataclass(frozen=True, slots=True)
class Services:
    """The services that are configured."""

    proxies: Mapping[str, ServiceProxy]
    parts: tuple[Part, ...]

    def of(self, spec: ServiceSpec) -> ServiceProxy:
        """The proxy of a service. Raises NotFound if it is not configured."""
        found = self.proxies.get(spec.name)
        if found is None:
            raise errors.NotFound()
        return found


def services(
    settings: Settings, outbound: Outbound, instruments: Instruments, is_over: Callable[[Principal], bool]
) -> Services:
    """A proxy for each service that has a base URL. `is_over`: whether the session of a request has ended meanwhile."""
    disconnects = DisconnectMonitor(is_over, inf if settings.streams_outlive_token else settings.jwt_leeway)

    def proxy(spec: ServiceSpec) -> ServiceProxy:
        upstream = Upstream(
            spec.name,
            settings.services[spec.name],
            (settings.min_in_flight, settings.max_in_flight),
            settings.user_share,
            instruments.service(spec.name),
        )
        bounds, defaults = _bounds(settings, spec), dict(spec.response_defaults)
        return ServiceProxy(upstream, bounds, outbound.adapter, disconnects, defaults, outbound.tracer)

    configured = {spec.name: proxy(spec) for spec in SERVICES if spec.name in settings.services}
    return Services(configured, parts=((Stage.WATCHERS, disconnects),))


def service_probes(settings: Settings, outbound: Outbound, others: Mapping[str, probes.Probe]) -> Probes:
    """The probes of the configured services, and the `others`, by their names in `/health`."""
    found = {
        spec.health_name: probes.service(outbound.session, settings.services[spec.name])
        for spec in SERVICES
        if spec.name in settings.services
    }
    return Probes({**found, **others})


def _bounds(settings: Settings, spec: ServiceSpec) -> CallBounds:
    timeouts = bounds_of(settings)
    if spec.uploads:
        return CallBounds(replace(timeouts, max_stream_duration=inf), settings.max_upload, settings.upload_timeout)
    return CallBounds(timeouts, settings.max_body, settings.body_timeout)
