"""Tell what the columns of a CSV are, by the header if there is one: the pixels, the label, and what is left out."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from math import isqrt, prod
from typing import Final, NamedTuple, TextIO

from ..errors import DatasetError

LABELS: Final = ("label", "labels", "class", "target", "y", "digit", "category", "letter", "character")
LEFT_OUT: Final = ("", "unnamed: 0", "index", "id", "imageid", "image_id", "filename")
SIDES: Final = range(8, 129)  # of a picture
LONGEST: Final = 2**24  # characters in a line, or between two quotes
AHEAD: Final = 2**19  # characters that are looked at to tell the label from the pixels without a header
_NUMBERED: Final = re.compile(r"(\D*?)(\d+)(?:(\D+)(\d+))?")  # pixel0, 0, 1x1, px_3_4


class Header(NamedTuple):
    """What the columns of a CSV are."""

    where: str  # the file's name in messages
    columns: tuple[str, ...]  # names in the file's order; their numbers from 1 if there is no header
    separator: str  # between two cells: a comma, a semicolon or a tab
    pixels: list[int]  # the columns of the pixels in their order, counted from 0
    label: int | None  # the column of the label, from 0; None if there is none
    shape: tuple[int, ...]  # of a picture: (H, W) or (H, W, 3)
    named: bool  # whether the first line has names
    ahead: str  # rows that were read to find all this
    labelled: bool  # whether the labels are read; otherwise they are ignored
    guesses: tuple[str, ...]  # what was decided by looking at the rows or the names, for people

    @property
    def first(self) -> int:
        """The number of the first row's line in the file."""
        return 2 if self.named else 1


def picture_shape(count: int, shape: tuple[int, ...] | None = None) -> tuple[int, ...] | None:
    """The shape of a picture of so many values: the one given if it fits, else square, in grey or RGB; or None."""
    if shape is not None and prod(shape) == count:
        return shape
    grey, colour = isqrt(max(0, count)), isqrt(max(0, count) // 3)
    if grey * grey == count and grey in SIDES:
        return grey, grey
    return (colour, colour, 3) if 3 * colour * colour == count and colour in SIDES else None


def read_header(
    text: TextIO,
    where: str,
    *,
    labelled: bool = False,
    label_column: str | None = None,
    shape: tuple[int, ...] | None = None,
) -> Header:
    """Read the first line of a CSV, and where it has no names some rows, to tell what the columns are.

    Args:
        text: The file from its beginning.
        where: Its name in messages.
        labelled: Whether a label column is needed; otherwise it is ignored where there is one.
        label_column: Name or number (from 1) of the label column, or None to tell it by its name or values.
        shape: Shape of a picture, or None to tell it by the number of pixel columns.

    Raises:
        DatasetError: A column is missing, unknown, or there twice.
    """
    line = text.readline(LONGEST)
    if not line.strip():
        raise DatasetError(f"{where}: expected a CSV, received an empty file")
    if "\0" in line or "\ufffd" in line:
        raise DatasetError(f"{where}: expected a CSV, received binary data")
    separator = max(",;\t", key=line.count)
    try:
        names = [name.strip() for name in next(csv.reader([line], delimiter=separator))]
    except csv.Error as error:
        raise DatasetError(f"{where}: expected a CSV: {error}") from None
    named = not _is_row(names)
    ahead = text.readline(LONGEST) if named else line
    positional = not named or all(name.isdecimal() for name in names if name)
    while positional and len(ahead) < AHEAD and (more := text.readline(LONGEST)):
        ahead += more
    rows = _rows(ahead, separator)
    if rows and len(rows[0]) == len(names) + 1 and not rows[0][-1].strip():  # each row ends with a separator
        names.append("")
    columns = tuple(names)
    if not named:
        columns = tuple(str(number) if name else "" for number, name in enumerate(names, 1))
    found = _Columns(where, columns, [row for row in rows if len(row) == len(columns)], labelled, shape)
    label = found.chosen(label_column) if label_column else found.label(positional)
    pixels, size = found.pixels(label, positional)
    return Header(where, columns, separator, pixels, label, size, named, ahead, labelled, tuple(found.guesses))


class _Columns:
    """The columns of one file, and what is said of them."""

    def __init__(
        self,
        where: str,
        names: tuple[str, ...],
        rows: list[list[str]],
        labelled: bool,
        shape: tuple[int, ...] | None,
    ) -> None:
        self.where, self.names, self.rows, self.labelled, self.shape = where, names, rows, labelled, shape
        self.guesses: list[str] = []
        self.is_chosen = False  # whether the label's column was given
        self.left_out = {at for at, name in enumerate(names) if name.lower() in LEFT_OUT and self._may_go(at)}

    def _may_go(self, at: int) -> bool:
        """Whether a column is an index or an id; one without a name comes first, or is empty."""
        return bool(self.names[at]) or at == 0 or not any(row[at].strip() for row in self.rows)

    def chosen(self, label_column: str) -> int:
        """The column that --label-column names."""
        lower = [name.lower() for name in self.names]
        if label_column in self.names:
            at = self.names.index(label_column)
        elif label_column.lower() in lower:
            at = lower.index(label_column.lower())
        elif re.fullmatch(r"-?\d+", label_column) and 1 <= abs(int(label_column)) <= len(self.names):
            at = int(label_column) - (int(label_column) > 0)
        else:
            shown = ", ".join(self.names) if len(self.names) <= 8 else f"{', '.join(self.names[:6])}, …"
            raise DatasetError(
                f"{self.where}: expected a column {label_column!r} by --label-column, found {shown} "
                f"({len(self.names)} columns)"
            )
        at %= len(self.names)
        self.left_out.discard(at)
        self.is_chosen = True
        return at

    def label(self, positional: bool) -> int | None:
        """The label's column by its name, or as the one that is no pixel, or by its place; None if there is none."""
        lower = [name.lower() for name in self.names]
        named = [lower.index(name) for name in LABELS if name in lower]
        if named:
            return named[0]
        rest = [at for at in range(len(self.names)) if at not in self.left_out]
        if not positional:
            group, _ = self._groups(rest)
            odd = [at for at in rest if at not in group]
            if len(odd) == 1:
                self.guesses.append(
                    f"{self.where}: the column {self.names[odd[0]]!r} is taken for the label; --label-column decides"
                )
                return odd[0]
            return None
        if self._fits(len(rest)) and not (self.labelled and self._fits(len(rest) - 1)):
            return None
        if self._fits(len(rest) - 2) and self._counts(rest[0]):
            self.left_out.add(rest.pop(0))
        if not self._fits(len(rest) - 1):
            return None
        at = rest[-1] if self._is_last(rest[0], rest[-1]) else rest[0]
        place = "first" if at == rest[0] else "last"
        self.guesses.append(
            f"{self.where}: no names tell what the {len(self.names)} columns are; "
            f"the {place} is taken for the label; --label-column decides"
        )
        return at

    def _fits(self, count: int) -> bool:
        return picture_shape(count, self.shape) is not None

    def pixels(self, label: int | None, positional: bool) -> tuple[list[int], tuple[int, ...]]:
        """The columns of the pixels in their order, and the shape of a picture."""
        if self.labelled and label is None:
            raise DatasetError(
                f"{self.where}: expected a column 'label', found none among {len(self.names)} columns; "
                "--label-column names another"
            )
        rest = [at for at in range(len(self.names)) if at != label and at not in self.left_out]
        if positional:
            found, named_shape = rest, None
        else:
            found, named_shape = self._groups(rest)
            others = [at for at in rest if at not in found]
            if others and self.is_chosen:  # whoever names the label knows the others
                self.left_out.update(others)
            elif others:
                known = repr("label" if label is None else self.names[label])
                raise DatasetError(
                    f"{self.where}: expected only pixel columns and one {known}, found also {self.names[others[0]]!r}"
                )
        size = named_shape or picture_shape(len(found), self.shape)
        if size is None:
            raise DatasetError(
                f"{self.where}: expected a pixel column for each pixel of a picture, such as pixel0 to pixel783, found "
                f"{len(found)}"
            )
        if kept := [self.names[at] for at in sorted(self.left_out) if self.names[at] or at == 0]:
            self.guesses.append(f"{self.where}: left out {_listed(kept)}")
        return found, size

    def _groups(self, rest: Sequence[int]) -> tuple[list[int], tuple[int, ...] | None]:
        """The columns whose names are numbered alike, by their numbers, and the shape that the names tell."""
        matched = {at: match for at in rest if (match := _NUMBERED.fullmatch(self.names[at]))}
        if not matched:
            return [], None
        kinds = {at: (match[1].lower(), match[3]) for at, match in matched.items()}
        kind, _ = Counter(kinds.values()).most_common(1)[0]
        numbers = {at: (int(matched[at][2]), int(matched[at][4] or 0)) for at in kinds if kinds[at] == kind}
        order = sorted(numbers, key=numbers.__getitem__)
        rows, columns = (sorted({pair[axis] for pair in numbers.values()}) for axis in (0, 1))
        whole = ((row, at) for row in range(rows[0], rows[-1] + 1) for at in range(columns[0], columns[-1] + 1))
        found, name = set(numbers.values()), "{}{}" if kind[1] is None else "{}{}" + kind[1] + "{}"
        if missing := next((pair for pair in whole if pair not in found), None):
            ends = f"{self.names[order[0]]} to {self.names[order[-1]]}"
            raise DatasetError(f"{self.where}: expected columns {ends}, found no {name.format(kind[0], *missing)!r}")
        if twice := [at for at, before in zip(order[1:], order, strict=False) if numbers[at] == numbers[before]]:
            raise DatasetError(f"{self.where}: expected each column once, found {self.names[twice[0]]!r} twice")
        shape = (len(rows), len(columns))
        return order, shape if kind[1] and all(side in SIDES for side in shape) else None

    def _counts(self, at: int) -> bool:
        """Whether a column counts the rows."""
        values = [row[at].strip() for row in self.rows]
        return len(values) > 1 and values in ([str(i + start) for i in range(len(values))] for start in (0, 1))

    def _is_last(self, first: int, last: int) -> bool:
        """Whether the label is the last column: a corner's pixel is constant, or has more values than the label."""
        one, other = ({row[at].strip() for row in self.rows} for at in (first, last))
        if any(not _is_number(value) for value in other | one):
            return any(not _is_number(value) for value in other)
        if (len(one) == 1) != (len(other) == 1):
            return len(one) == 1
        if len(one) == 1:
            return float(min(one)) == 0 != float(min(other))
        return len(other) < len(one)


def _rows(text: str, separator: str) -> list[list[str]]:
    try:
        return [row for row in csv.reader(text.splitlines(), delimiter=separator) if row]
    except csv.Error:
        return []


def _is_row(cells: list[str]) -> bool:
    """Whether cells are numbers, perhaps with a class's name and an empty cell, and do not count columns."""
    numbers = [cell for cell in cells if _is_number(cell)]
    if len(cells) < 3 or len(numbers) < len(cells) - 2:
        return False
    if not all(cell.isdecimal() for cell in numbers):
        return True
    counted = sorted(map(int, numbers))
    return counted != list(range(counted[0], counted[0] + len(counted)))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _listed(names: Sequence[str]) -> str:
    shown = [f"column {name!r}" if name else "the first column, which has no name" for name in names]
    return ", ".join(shown)
