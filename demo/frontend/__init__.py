"""The sample frontend: plain files, the gateway's client, and a ``config.js`` that says where the gateway is."""

from __future__ import annotations

import json
from pathlib import Path

from flask import Flask, Response, send_from_directory

HERE = Path(__file__).parent
CLIENT = HERE.parents[1] / "clients" / "typescript" / "dist"
"""The client as ``tsc`` built it; it is committed, so that nobody needs Node to see the demo."""


def create_frontend(gateway: str) -> Flask:
    """``gateway``: its base URL as the browser sees it."""
    app = Flask(__name__, static_folder=None)
    config = json.dumps({"gateway": gateway})
    policy = (
        f"default-src 'self'; connect-src 'self' {gateway}; img-src 'self' blob: {gateway}; media-src blob: {gateway};"
        " frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
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
    @app.get("/<any('app.js', 'dom.js', 'style.css', 'icon.svg'):file>")
    def page(file: str) -> Response:
        return send_from_directory(HERE, file)

    @app.get("/client/<file>")
    def client(file: str) -> Response:
        return send_from_directory(CLIENT, file)

    return app
