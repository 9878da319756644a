"""The cache of tokens and cookies: bounded by the size of what is in it."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.cache import Cache

puts = st.tuples(st.sampled_from("abcde"), st.integers(), st.integers(1, 60))
"""A key, its value and its size."""


@given(st.lists(puts, max_size=30))
def test_what_is_kept_are_the_last_values_that_fit(all_puts: list[tuple[str, int, int]]) -> None:
    cache: Cache[int] = Cache(100)
    kept: dict[str, tuple[int, int]] = {}
    for key, value, size in all_puts:
        cache.put(key, value, size)
        kept.pop(key, None)
        kept[key] = value, size
        while sum(size for _, size in kept.values()) > 100:
            del kept[next(iter(kept))]
        assert {key: cache.get(key) for key in "abcde"} == {
            key: kept[key][0] if key in kept else None for key in "abcde"
        }


def test_a_dropped_value_makes_room() -> None:
    cache: Cache[str] = Cache(100)
    cache.put("a", "first", 60)
    cache.drop("a")
    cache.drop("a")
    cache.put("b", "second", 60)
    cache.put("c", "third", 40)
    assert [cache.get(key) for key in "abc"] == [None, "second", "third"]
