"""A cached token is answered as one that is verified anew, whatever the clock says and the keys have become."""

from harness import jose
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.keys import NO_KEYS, KeySet
from gateway.scope import Principal
from gateway.tokens import InvalidToken, Verifier
from gateway.tokens.access_token import AccessTokenPolicy
from gateway.tokens.signatures import Signatures

BEGAN = 1_800_000_000
KEYS = [jose.generate("ES256"), jose.generate("ES256")]
SETS = [KeySet({"keys": [jose.jwk(key, kid="the same", alg="ES256")]}) for key in KEYS]
POLICY = AccessTokenPolicy("https://issuer.example", "gateway", 5.0, (), "gateway")


class Source:
    """Keys that an issuer replaces."""

    def __init__(self) -> None:
        self.keys = NO_KEYS

    def keys_for(self, kid: str | None, *, at_once: bool = False) -> KeySet:
        return self.keys


def token(user: int, life: int, key: int) -> str:
    claims = {"iss": POLICY.issuer, "aud": POLICY.audience, "sub": f"user {user}", "exp": BEGAN + life, "iat": BEGAN}
    return jose.compact({"alg": "ES256", "kid": "the same"}, claims, "ES256", KEYS[key])


TOKENS = [token(user, life, key) for user in (0, 1) for life in (-20, 3, 60) for key in (0, 1)]


class Gateway:
    """A verifier with its clock and its keys."""

    def __init__(self) -> None:
        self.now = float(BEGAN)
        self.source = Source()
        self.verifier = Verifier(POLICY, Signatures(("ES256",), self.source), lambda: self.now)

    def says(self, token: str) -> Principal | type[InvalidToken]:
        try:
            return self.verifier.verify(token)
        except InvalidToken as refusal:
            return type(refusal)


steps = st.tuples(st.sampled_from(TOKENS), st.integers(-30, 90), st.integers(0, 1))
"""The token that is asked about, the seconds that have passed since the beginning, the keys of that time."""


@given(st.lists(steps, min_size=2, max_size=8))
@example([(TOKENS[4], 0, 0), (TOKENS[4], 70, 0), (TOKENS[4], 0, 1), (TOKENS[4], 0, 0)])
@settings(max_examples=150)
def test_what_is_cached_changes_no_answer(asked: list[tuple[str, int, int]]) -> None:
    used = Gateway()
    for token, seconds, keys in asked:
        fresh = Gateway()
        for gateway in (used, fresh):
            gateway.now, gateway.source.keys = float(BEGAN + seconds), SETS[keys]
        assert used.says(token) == fresh.says(token)


def test_some_are_accepted() -> None:
    """What is compared above is not always a refusal."""
    gateway = Gateway()
    gateway.source.keys = SETS[0]
    accepted = [found for found in map(gateway.says, TOKENS) if isinstance(found, Principal)]
    assert {principal.user_id for principal in accepted} == {"user 0", "user 1"}
