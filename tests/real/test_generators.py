"""What others make of the description: generators whose code compiles strictly, and linters."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.description import CLIENT, described

pytestmark = pytest.mark.timeout(300)

STRICT = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "esnext"]
STRICT += ["--moduleResolution", "bundler", "--lib", "es2022,dom,dom.iterable", "--types", "node"]

WITH_OPENAPI_FETCH = """
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const client = createClient<paths>({ baseUrl: "https://api.example.com" });

export async function used(): Promise<string> {
  const { data, error } = await client.GET("/interviews", { params: { query: { limit: 5 } } });
  if (typeof error === "string") return error;
  if (error !== undefined) return "code" in error ? error.code : String(error.message);
  return data.items[0]?.title ?? "";
}
"""


def run(*command: str | Path, cwd: Path = CLIENT) -> str:
    done = subprocess.run(["npx", "--no-install", *command], cwd=cwd, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, (done.stdout[-3000:], done.stderr[-3000:])
    return done.stdout


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder below the client's, where npm's packages are found, with the document in it."""
    work = CLIENT / "node_modules" / f".generated-{os.getpid()}"
    work.mkdir()
    (work / "openapi.json").write_text(described())
    yield work
    shutil.rmtree(work)


def test_openapi_typescript_and_openapi_fetch(folder: Path) -> None:
    own = folder / "fetch"
    own.mkdir()
    run("openapi-typescript", folder / "openapi.json", "--output", own / "schema.ts")
    (own / "used.ts").write_text(WITH_OPENAPI_FETCH)
    run("tsc", *STRICT, own / "used.ts")


def test_hey_api(folder: Path) -> None:
    own = folder / "hey"
    run("openapi-ts", "--input", folder / "openapi.json", "--output", own)
    run("tsc", *STRICT, own / "index.ts")


def test_orval(folder: Path) -> None:
    own = folder / "orval"
    run("orval", "--input", folder / "openapi.json", "--output", own / "api.ts", "--client", "fetch")
    run("tsc", *STRICT, own / "api.ts")


def test_redocly_finds_no_error(folder: Path) -> None:
    run("redocly", "lint", folder / "openapi.json")


def test_spectral_finds_no_error(folder: Path) -> None:
    (folder / "spectral.yaml").write_text('extends: ["spectral:oas"]\n')
    run("spectral", "lint", "--ruleset", folder / "spectral.yaml", folder / "openapi.json")
