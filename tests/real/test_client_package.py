"""The TypeScript client as a package: built as committed, small, typed, and the same in Node as its tests say.

`make test-frontend` installs what it needs with npm, pinned by its lock file.
"""

import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
from harness.description import CLIENT, described

from gateway.version import VERSION

pytestmark = pytest.mark.timeout(300)

TYPED = """
import { createClient, GatewayError, type ErrorCode } from "../dist/index.js";

const client = createClient({ baseUrl: "/api" });

export async function used(): Promise<string> {
  const { items, total } = await client.get("/interviews", { query: { limit: 5, status: "scheduled" } });
  const title: string | undefined = items[0]?.title;
  const made = await client.post("/interviews", { json: { title: "a" } });
  const gone: undefined = await client.delete("/interviews/{id}", { path: { id: made.id } });
  const session = await client.session();
  if (session.authenticated) return session.user.id + (title ?? "") + total + String(gone);
  const again: true | undefined = session.refreshable;
  return String(again);
}

export function told(error: unknown): ErrorCode | undefined {
  return error instanceof GatewayError ? error.code : undefined;
}

export function mistaken(): void {
  // @ts-expect-error there is no such path
  void client.get("/interview");
  // @ts-expect-error the path has no such method
  void client.delete("/users/me");
  // @ts-expect-error the id is missing
  void client.get("/interviews/{id}");
  // @ts-expect-error it is no status
  void client.get("/interviews", { query: { status: "lost" } });
  // @ts-expect-error a title is a text
  void client.post("/interviews", { json: { title: 1 } });
  // @ts-expect-error no error has such a code
  const code: ErrorCode = "teapot";
  void code;
}
"""


def run(*command: str | Path, cwd: Path = CLIENT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def compiled(folder: Path, *arguments: str) -> None:
    run("npx", "--no-install", "tsc", *arguments, cwd=folder)


def test_its_types_are_those_of_the_description(tmp_path: Path) -> None:
    document = tmp_path / "openapi.json"
    document.write_text(described())
    run("npx", "--no-install", "openapi-typescript", document, "--output", tmp_path / "schema.ts")
    assert (tmp_path / "schema.ts").read_text() == (CLIENT / "src" / "schema.ts").read_text(), "npm run types"


def test_what_is_committed_is_what_it_builds_to(tmp_path: Path) -> None:
    compiled(CLIENT, "--project", "tsconfig.json", "--outDir", str(tmp_path))
    built, committed = (
        {file.name: file.read_text() for file in folder.iterdir()} for folder in (tmp_path, CLIENT / "dist")
    )
    assert built == committed, "npm run build"


def test_it_is_small() -> None:
    run("node", "checks/size.mjs")


def test_it_is_typed_from_paths_to_errors() -> None:
    program = CLIENT / "checks" / "typed.ts"
    program.write_text(TYPED)
    try:
        compiled(CLIENT, "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "checks/typed.ts")
    finally:
        program.unlink()


def test_a_package_of_it_works_elsewhere(tmp_path: Path) -> None:
    (packed,) = json.loads(run("npm", "pack", "--json", "--ignore-scripts", "--pack-destination", tmp_path))
    with tarfile.open(tmp_path / packed["filename"]) as archive:
        archive.extractall(tmp_path, filter="data")
    package = json.loads((tmp_path / "package" / "package.json").read_text())
    assert not package.get("dependencies")
    program = "import { createClient } from './package/dist/index.js'; console.log(createClient({baseUrl: 'http://a/b/'}).url('/c'))"
    assert run("node", "--input-type=module", "-e", program, cwd=tmp_path) == "http://a/b/c\n"


def test_its_readme_lists_its_members() -> None:
    declared = (CLIENT / "dist" / "client.d.ts").read_text().partition("class Client {")[2].partition("\n}")[0]
    members = set(re.findall(r"^    (?:readonly |get )?([a-z]\w*)\b", declared, re.MULTILINE)) - {"constructor"}
    rows = [line for line in (CLIENT / "README.md").read_text().splitlines() if line.startswith("| `")]
    listed = {name for row in rows for name in re.findall(r"`(\w+)", row.split("|")[1])}
    assert len(members) >= 20 and members - listed == set()


def test_its_version_is_the_gateways() -> None:
    assert json.loads((CLIENT / "package.json").read_text())["version"] == VERSION


def test_its_lock_file_names_no_registry() -> None:
    packages = json.loads((CLIENT / "package-lock.json").read_text())["packages"]
    assert {name for name, package in packages.items() if "://" in package.get("resolved", "")} == set()
    assert all(
        "integrity" in package
        for name, package in packages.items()
        if "node_modules" in name and not package.get("link")
    )


def test_what_it_makes_of_answers_in_node() -> None:
    run("node", "--test", "test/client.test.mjs")
