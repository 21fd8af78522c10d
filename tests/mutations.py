"""Damage to files, the same for the same seed."""

from __future__ import annotations

import random


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One to twenty pieces are cut out, or replaced by noise, zeros, or what stands elsewhere; some files end early."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        place, length = chance.randrange(len(changed) + 1), chance.choice((1, 1, 2, 4, 16, 64))
        other = chance.randrange(len(changed) + 1)
        same = bytes([chance.choice((0, 1, 127, 255))]) * length
        put = chance.choice((b"", chance.randbytes(length), changed[other : other + length], same))
        changed[place : place + chance.choice((0, 1, length))] = put
    return bytes(changed[: chance.randrange(len(changed) + 1)] if chance.random() < 0.05 else changed)
