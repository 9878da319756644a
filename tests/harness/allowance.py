"""What an answer tells of a rate limit (the X-RateLimit headers of /openapi.json), checked in full wherever a test
meets one."""

import re
from dataclasses import dataclass

from harness.http import Answer

NAMES = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit", "RateLimit-Policy")
# RateLimit header fields draft-10, sections 3 and 4: a policy's name as an sf-string, and its numbers.
LEFT = re.compile(r'"([a-z.]+(?:-\d+)?)";r=(\d+);t=(\d+)')
POLICY = re.compile(r'"([a-z.]+(?:-\d+)?)";q=(\d+);w=(\d+)')


@dataclass(frozen=True)
class Quota:
    """`left` of `limit` requests of `rule`, for `reset` more seconds; `windows` are those of its policy, in seconds."""

    rule: str
    limit: int
    left: int
    reset: int
    windows: tuple[int, ...]


def quota_of(answer: Answer) -> Quota:
    """What the five headers say, which say one thing."""
    found = {name: answer.header(name) for name in NAMES}
    assert None not in found.values(), f"{answer.status} {answer.headers}"
    limit, left, reset = (int(found[name] or "") for name in NAMES[:3])
    draft = LEFT.fullmatch(found["RateLimit"] or "")
    assert draft, found
    policies = [POLICY.fullmatch(policy) for policy in (found["RateLimit-Policy"] or "").split(", ")]
    assert all(policies), found
    assert (int(draft[2]), int(draft[3])) == (left, reset), found
    quotas = {policy[1]: int(policy[2]) for policy in policies if policy}
    assert quotas[draft[1]] == limit and len(quotas) == len(policies), found
    assert len({name.partition("-")[0] for name in quotas}) == 1, found
    windows = tuple(int(policy[3]) for policy in policies if policy)
    assert 0 <= left <= limit and 1 <= reset <= max(windows), found
    return Quota(draft[1].partition("-")[0], limit, left, reset, windows)


def no_quota(answer: Answer) -> bool:
    """Whether the answer says nothing of any limit."""
    return not [name for name, _ in answer.headers if "ratelimit" in name.lower()]
