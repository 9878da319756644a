"""The sample frontend: plain files and a ``config.js`` that tells them where the gateway is."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, send_from_directory

HERE = Path(__file__).parent


def create_frontend(gateway: str, issuer: str, client_id: str) -> Flask:
    """``client_id`` is the public client that fetches demo tokens while the gateway has no sign-in."""
    app = Flask(__name__, static_folder=None)
    config = json.dumps({"gateway": gateway, "issuer": issuer, "clientId": client_id})
    provider = "{0.scheme}://{0.netloc}".format(urlsplit(issuer))
    policy = (
        f"default-src 'self'; connect-src 'self' {gateway} {provider}; img-src 'self' blob: {gateway};"
        f" media-src blob: {gateway}; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
    )

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-cache"
        return response

    @app.get("/config.js")
    def configuration() -> Response:
        return Response(f"window.CONFIG = {config};\n", mimetype="text/javascript")

    @app.get("/", defaults={"file": "index.html"})
    @app.get("/<any('app.js', 'calls.js', 'session.js', 'dom.js', 'style.css', 'icon.svg'):file>")
    def page(file: str) -> Response:
        return send_from_directory(HERE, file)

    return app
