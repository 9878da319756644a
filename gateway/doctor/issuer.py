"""Keycloak's documents: is it there, is it the issuer, does it offer what is needed, do the clocks agree?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

from gateway.doctor.deployment import Answer, Deployment
from gateway.doctor.finding import Finding, bad, good, questionable, unknown
from gateway.keys import KeySet

SECONDS_APART = 5.0
_ENDPOINTS = ("jwks_uri", "token_endpoint", "authorization_endpoint", "revocation_endpoint", "end_session_endpoint")


def discovery(deployment: Deployment) -> Iterator[Finding]:
    """The discovery document (OpenID Connect Discovery 1.0 section 4), whose issuer is compared."""
    answer, where = deployment.discovery(), f"{deployment.keycloak_url} ({deployment.keycloak_setting})"
    if not isinstance(answer, Answer):
        yield bad(
            "Keycloak",
            f"no answer at {where}: {answer.why}",
            "its discovery document",
            "start Keycloak, allow the connection (firewall),"
            " or set KEYCLOAK_INTERNAL_URL to the address by which this machine reaches it (realm path included)",
        )
        return
    document = answer.json()
    if answer.moved_to:
        yield bad(
            "Keycloak",
            f"{where} redirects to {answer.moved_to}",
            "status 200 and a JSON document",
            f"name that address in {deployment.keycloak_setting}: the gateway follows no redirect",
        )
        return
    if answer.status != 200 or document is None:
        realm = deployment.keycloak_url.rpartition("/realms/")[2]
        found = f"no realm {realm!r} at {where}" if answer.status == 404 else f"status {answer.status} at {where}"
        yield bad(
            "Keycloak",
            found,
            "status 200 and a JSON document",
            f"name the realm in {deployment.keycloak_setting} as Keycloak"
            " does (case-sensitive; https://<host>/realms/<realm>), or create it",
        )
        return
    yield good("Keycloak", f"answers at {where}")
    yield _issuer(deployment, document)


def _issuer(deployment: Deployment, document: Mapping[str, Any]) -> Finding:
    ours, theirs = deployment.settings.issuer, document.get("issuer")
    if theirs == ours:
        return good("issuer", ours)
    slash = isinstance(theirs, str) and theirs.rstrip("/") == ours.rstrip("/")
    return bad(
        "issuer",
        f"Keycloak says {theirs!r}" + (": a slash at the end makes it another one" if slash else ""),
        f"{ours!r}, character for character",
        f"set KEYCLOAK_ISSUER_URL={theirs}"
        + ("" if slash else "; or, where browsers use the other address, set Keycloak's --hostname to it")
        + ("" if slash else ", and KEYCLOAK_INTERNAL_URL to the one that this machine reaches"),
    )


def clock(deployment: Deployment) -> Iterator[Finding]:
    """Keycloak's clock, by its Date field, beside this machine's."""
    answer = deployment.discovery()
    if not isinstance(answer, Answer):
        return
    try:
        apart = time() - parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError):
        yield unknown("clock", "Keycloak sends no Date")
        return
    leeway = deployment.settings.jwt_leeway
    found = f"this machine is {abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} Keycloak"
    fix = "let NTP set both clocks (`timedatectl`); JWT_LEEWAY bounds what is let pass"
    if abs(apart) > leeway + 1:
        yield bad("clock", found, f"at most {leeway:g} s (JWT_LEEWAY)", fix)
    elif abs(apart) > SECONDS_APART:
        yield questionable("clock", found, f"at most {SECONDS_APART:g} s", fix)
    else:
        yield good("clock", "as Keycloak's")


def endpoints(deployment: Deployment) -> Iterator[Finding]:
    """What the document names, and that KEYCLOAK_INTERNAL_URL covers it."""
    document = deployment.document()
    if document is None:
        return
    missing = [name for name in _ENDPOINTS if not isinstance(document.get(name), str)]
    if missing:
        yield bad("endpoints", f"none named: {', '.join(missing)}", "each of them", "is this Keycloak's own document?")
    else:
        yield good("endpoints", "all there")
    if deployment.settings.internal_url:
        base = deployment.settings.issuer.rstrip("/") + "/"
        inner = deployment.keycloak_url + "/"
        odd = [
            name
            for name in _ENDPOINTS
            if isinstance(document.get(name), str) and not document[name].startswith((base, inner))
        ]
        if odd:
            yield questionable(
                "KEYCLOAK_INTERNAL_URL",
                f"{', '.join(odd)} at neither address",
                f"below {base} or {inner}",
                "set Keycloak's --hostname to the issuer's address, and --hostname-backchannel-dynamic=true",
            )
        else:
            yield good("KEYCLOAK_INTERNAL_URL", "covers every endpoint")


def signing_keys(deployment: Deployment) -> Iterator[Finding]:
    """The keys, against JWT_ALGORITHMS."""
    document = deployment.document()
    if document is None or not isinstance(document.get("jwks_uri"), str):
        return
    answer = deployment.ask(deployment.reached(document["jwks_uri"]))
    found = answer.json() if isinstance(answer, Answer) else None
    if found is None:
        why = f"status {answer.status}" if isinstance(answer, Answer) else answer.why
        yield bad(
            "keys",
            f"not read: {why}",
            "a JWKS",
            f"allow the connection to {deployment.reached(document['jwks_uri'])} (firewall)",
        )
        return
    usable = KeySet(found)
    algorithms = {name for name in deployment.settings.jwt_algorithms if name != "HS256"}
    fitting = {name for name in algorithms if any(usable.find(kid, name) for kid in _ids(found))}
    if fitting:
        yield good("keys", f"{len(usable)} usable, for {', '.join(sorted(fitting))}")
    elif algorithms:
        offered = sorted({str(key.get("alg")) for key in _members(found) if key.get("use", "sig") == "sig"})
        yield bad(
            "keys",
            f"for {', '.join(offered) or 'nothing'}",
            f"a key for one of {', '.join(sorted(algorithms))}",
            "set JWT_ALGORITHMS to what the realm signs with, or add a key (Realm settings > Keys > Add provider)",
        )


def _members(jwks: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    keys = jwks.get("keys")
    return [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []


def _ids(jwks: Mapping[str, Any]) -> set[str | None]:
    return {key.get("kid") for key in _members(jwks)} | {None}


def scopes(deployment: Deployment) -> Iterator[Finding]:
    """KEYCLOAK_SCOPES, PKCE and back-channel logout, as far as the document says."""
    document = deployment.document()
    if document is None:
        return
    offered, asked = document.get("scopes_supported"), set(deployment.settings.scopes.split())
    lacking = sorted(asked - set(offered)) if isinstance(offered, list) else []
    if lacking:
        yield bad(
            "scopes",
            f"the realm has no {', '.join(lacking)}",
            f"{deployment.settings.scopes} (KEYCLOAK_SCOPES)",
            "create the client scope in Keycloak (Client scopes > Create), or take it out of KEYCLOAK_SCOPES",
        )
    else:
        yield good("scopes", deployment.settings.scopes)
    methods = document.get("code_challenge_methods_supported")
    if isinstance(methods, list) and "S256" not in methods:
        yield bad("PKCE", f"offers {', '.join(map(str, methods))}", "S256", "update Keycloak: sign-ins use S256")
    else:
        yield good("PKCE", "S256")


CHECKS = (discovery, clock, endpoints, signing_keys, scopes)
