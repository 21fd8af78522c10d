"""Read protobuf messages field by field, without the onnx package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

Span = tuple[int, int]  # where a field's bytes begin and end

_FIXED_LENGTH: Final = {1: 8, 5: 4}  # bytes of a value by its wire type


class DamagedError(Exception):
    """The bytes are no protobuf message, or end early."""


def fields(data: bytes, place: int, end: int) -> Iterator[tuple[int, int | Span]]:
    """Iterate over a protobuf message's fields: number, and int or span.

    Numbers of fixed length are left out, since no field that is looked at is one.
    """
    while place < end:
        key, place = varint(data, place, end)
        number, wire = key >> 3, key & 7
        if key >= 2**32 or wire not in (0, 1, 2, 5):  # of a longer key, protobuf reads 32 bits
            raise DamagedError
        if wire == 0:
            value, place = varint(data, place, end)
            yield number, value
            continue
        length, place = varint(data, place, end) if wire == 2 else (_FIXED_LENGTH[wire], place)
        if length > end - place:
            raise DamagedError
        if wire == 2:
            yield number, (place, place + length)
        place += length


def varint(data: bytes, place: int, end: int) -> tuple[int, int]:
    """Read a base-128 varint of up to 64 bits; return it and the place of the next byte."""
    value = 0
    for count in range(min(10, end - place)):
        byte = data[place + count]
        value |= (byte & 127) << 7 * count
        if byte < 128:
            return value, place + count + 1
    raise DamagedError


def varints(data: bytes, place: int, end: int) -> list[int]:
    """Read varints that follow one another."""
    values = []
    while place < end:
        value, place = varint(data, place, end)
        values.append(value)
    return values
