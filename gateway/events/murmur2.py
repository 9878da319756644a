"""murmur2 as in the Java client, so that a user's events stay in their partition.

pykafka's hash and librdkafka's default (`consistent_random`) differ from it: of 20 keys, 6 and 2 would stay.
"""

from __future__ import annotations

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """32 bits, unsigned (`org.apache.kafka.common.utils.Utils.murmur2` gives them signed)."""
    h = _SEED ^ len(data)
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * _M & _MASK
        k = (k ^ k >> 24) * _M & _MASK
        h = h * _M & _MASK ^ k
    if len(data) > whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15


def to_positive(data: bytes) -> int:
    """The hash that the default partitioners of Java and KafkaJS take modulo the number of partitions."""
    return murmur2(data) & 0x7FFFFFFF
