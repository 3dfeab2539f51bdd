"""Seeds derived from the seed of a run. Light."""

import hashlib


def seed_for(seed: int, *words: object) -> int:
    """Return the seed of the random stream that ``words`` name; the same on every machine."""
    text = "/".join(map(str, (seed, *words)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1
