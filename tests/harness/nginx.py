"""Debian's nginx before gateways, with the configuration that the project ships."""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from harness import http
from harness.asking import Asked, Asking
from harness.certificate import self_signed
from harness.lifetime import Server
from harness.repository import ROOT

SHIPPED = ROOT / "deploy" / "nginx"
AS_ROOT = "user root;"
"""The tests' folder is entered by its owner alone."""

AROUND = """
{user}
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/gateway.conf;
}}
"""


class Nginx(Server):
    """`api.example.com` is here https://localhost:<port>, `app.example.com` is https://127.0.0.1:<port>.

    `changes` says what is other in the shipped files: name of the file → what is there → what is here.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        gateways: tuple[int, int],
        changes: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.port = port
        command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
        super().__init__(command, folder)
        certificate, key = self_signed(folder)
        self.certificate = certificate
        self.tls = ssl.create_default_context(cafile=str(certificate))
        (folder / "www").mkdir()
        (folder / "www" / "index.html").write_text("the frontend")
        (folder / "snippets").mkdir()
        for snippet in (SHIPPED / "snippets").glob("*.conf"):
            (folder / "snippets" / snippet.name).write_text(
                replaced(snippet.read_text(), (changes or {}).get(snippet.name, {}))
            )
        (folder / "gateway.conf").write_text(
            replaced(
                replaced((SHIPPED / "gateway.conf").read_text(), (changes or {}).get("gateway.conf", {})),
                {
                    "10.0.0.11:3001": f"127.0.0.1:{gateways[0]}",
                    "10.0.0.12:3001": f"127.0.0.1:{gateways[1]}",
                    "listen 443 ": f"listen 127.0.0.1:{port} ",
                    "server_name api.example.com;": "server_name localhost;",
                    "server_name app.example.com;": "server_name 127.0.0.1;",
                    "/etc/ssl/certs/api.example.com.pem": str(certificate),
                    "/etc/ssl/certs/app.example.com.pem": str(certificate),
                    "/etc/ssl/private/api.example.com.key": str(key),
                    "/etc/ssl/private/app.example.com.key": str(key),
                    "/var/www/app": str(folder / "www"),
                },
            )
        )
        (folder / "nginx.conf").write_text(AROUND.format(folder=folder, user=AS_ROOT if os.geteuid() == 0 else ""))

    def is_ready(self) -> bool:
        return Public(self, "127.0.0.1").get("/").status == 200

    @property
    def errors(self) -> str:
        return (self.folder / "error.log").read_text()


class Public(Asking):
    """The gateways as a browser finds them: `get` is as `Gateway.get`, over TLS, paths under `root`."""

    def __init__(self, nginx: Nginx, host: str, root: str = "") -> None:
        self.nginx = nginx
        self.host = f"{host}:{nginx.port}"
        self.root = root
        self.url = f"https://{self.host}{root}"

    def connect(self, timeout: float = 10) -> http.Connection:
        connection = http.Connection(self.nginx.port, timeout=timeout)
        try:
            name = self.host.partition(":")[0]
            connection.socket = self.nginx.tls.wrap_socket(connection.socket, server_hostname=name)
        except BaseException:
            connection.close()
            raise
        return connection

    def exchange(self, asked: Asked, timeout: float) -> http.Answer:
        method, path, headers, body = asked
        under = self.root + (path if isinstance(path, str) else path.decode())
        with self.connect(timeout) as connection:
            connection.request(method, under, [("Host", self.host), *headers], body)
            return connection.receive(method=method)


def replaced(text: str, places: Mapping[str, str]) -> str:
    """Every one of the places is there, and is replaced."""
    for place, value in places.items():
        assert place in text, f"the shipped configuration no longer has {place!r}"
        text = text.replace(place, value)
    return text
