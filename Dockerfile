FROM python:3.13-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/gateway
COPY setup.py pyproject.toml LICENSE README.md wsgi.py ./
COPY gateway gateway
COPY blueprints blueprints
RUN /opt/gateway/bin/pip install --no-cache-dir '.[fast]'

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="AI video-interview API gateway" \
      org.opencontainers.image.licenses="MIT"
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin gateway
COPY --from=build /opt/gateway /opt/gateway
WORKDIR /app
COPY gunicorn.conf.py ./
ENV PATH=/opt/gateway/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
EXPOSE 3001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["python", "-c", "\
import http.client, os, sys; \
gateway = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 3001), timeout=2); \
gateway.request('GET', '/health/live'); \
sys.exit(gateway.getresponse().status != 200)"]
CMD ["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
