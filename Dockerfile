# Python's official image is built with profile-guided and link-time optimization (--enable-optimizations --with-lto).
# PYTHON and PYTHON_BUILD take a digest, and a release is built with one: docs/deployment.md, The image.
ARG PYTHON_BUILD=python:3.13-bookworm
ARG PYTHON=python:3.13-slim-bookworm

FROM ${PYTHON_BUILD} AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/build.txt requirements/run.txt requirements/
# What comes as source is built with what is locked, nothing fetched beside it.
RUN python -m venv /opt/gateway \
 && /opt/gateway/bin/pip install --require-hashes -r requirements/build.txt \
 && /opt/gateway/bin/pip install --require-hashes --no-build-isolation -r requirements/run.txt
COPY setup.py pyproject.toml LICENSE README.md wsgi.py gunicorn.conf.py ./
COPY gateway gateway
COPY blueprints blueprints
RUN /opt/gateway/bin/pip install --no-deps --no-build-isolation . \
 && /opt/gateway/bin/pip check \
 && /opt/gateway/bin/python -I -m compileall -q /opt/gateway/lib

# The bill of materials (CycloneDX) of what is installed, by a program that is not in the image.
FROM build AS sbom
COPY requirements/sbom.txt requirements/
RUN python -m venv /opt/sbom \
 && /opt/sbom/bin/pip install --require-hashes -r requirements/sbom.txt \
 && /opt/sbom/bin/cyclonedx-py environment --output-file /sbom.cdx.json /opt/gateway

FROM ${PYTHON}
ARG VERSION=1.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="AI video-interview API gateway" \
      org.opencontainers.image.description="Flask, gunicorn, gevent; signs users in at Keycloak, forwards to services" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin gateway
COPY --from=build /opt/gateway /opt/gateway
COPY --from=sbom /sbom.cdx.json /usr/share/doc/api-gateway/sbom.cdx.json
WORKDIR /app
COPY gunicorn.conf.py deploy/docker/healthcheck.py ./
# The root can be read-only: what is written goes to /tmp (what the workers know together) and /dev/shm.
ENV PATH=/opt/gateway/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    GATEWAY_REVISION=${REVISION}
USER 10001:10001
EXPOSE 3001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["python", "-I", "healthcheck.py"]
CMD ["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
