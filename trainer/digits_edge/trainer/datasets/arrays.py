"""Find and read arrays of pictures and classes by their names: in `.npz`, `.npy`, `.mat` and IDX files, and folders."""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, cast

import numpy as np

from digits_edge.common.progress import say
from digits_edge.runtime.errors import DatasetError, first_line

from . import idx
from .claims import check_deflated, check_unpacked, open_file, size_of
from .pixels import Labelled, labelled

# What the words in a name mean, as in `x_train`, `trainImages`, `kmnist-test-imgs` and `t10k-labels-idx1-ubyte`.
PICTURES: Final = {"x", "image", "images", "imgs", "img", "pictures", "pixels", "data", "features", "samples"}
CLASSES: Final = {"y", "label", "labels", "target", "targets", "class", "classes"}
PARTS: Final = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing", "t10k"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
}
_WORDS: Final = re.compile(
    r"t10k|\d+x\d+|[xyXY](?=[Tt]rain|[Tt]est|[Vv]al)|(?:train|test|val)(?=[xy]\b)|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+"
)
_NOISE: Final = re.compile(r"idx|ubyte|npy|npz|mat|gz|arr|set|\d+|\d+x\d+")
_IDX_NAME: Final = re.compile(r".*ubyte(\.gz)?", re.IGNORECASE)
SUFFIXES: Final = (".npz", ".npy", ".mat")
MATLAB_COMPRESSED: Final = 15  # miCOMPRESSED
WITH_CODE: Final = (".pkl", ".pickle", ".pt", ".pth", ".joblib")


class _Array(NamedTuple):
    """An array that is still to be read."""

    name: str  # with that of its file, in messages
    read: Callable[[], Any]
    of_matlab: bool = False


@dataclass(frozen=True, eq=False)
class ArrayPair:
    """Pictures and their classes, which are still to be read."""

    pictures: _Array
    classes: _Array

    def read(self, shape: tuple[int, ...] | None) -> Labelled:
        """Read them; DatasetError if they are not pictures and their classes."""
        name, of_matlab = self.pictures.name, self.pictures.of_matlab
        found = labelled(self.pictures.read(), self.classes.read(), name, shape, by_columns=of_matlab)
        if of_matlab and found.classes.dtype.kind == "i" and {10} <= set(found.classes) <= set(range(1, 11)):
            say(f"{name}: class 10 of a MATLAB file that has no class 0 is read as 0, as in SVHN")
            return found._replace(classes=found.classes % 10)
        return found


def is_array_file(path: Path) -> bool:
    """Whether a file's name is one of an array file."""
    return path.suffix.lower() in SUFFIXES or _IDX_NAME.fullmatch(path.name) is not None


def find_in_file(path: Path) -> dict[str, ArrayPair]:
    """Find the parts that an array file holds, or the one that it holds together with the file beside it.

    Returns:
        Pairs of pictures and classes by their part: `train`, `test`, `validation`.

    Raises:
        DatasetError: The file cannot be read, or has no pictures or no classes.
    """
    arrays = _arrays_of(path)
    if set(arrays) == {"arr_0", "arr_1"}:  # savez(file, x, y)
        arrays = {"x": arrays["arr_0"], "y": arrays["arr_1"]}
    if len(arrays) > 1 or path.suffix.lower() == ".mat":
        found = _paired(arrays, str(path))
        if not found:
            raise DatasetError(
                f"{path}: expected arrays of pictures and classes, such as x and y, x_train and y_train, or "
                f"train_images and train_labels, found {', '.join(arrays) or 'none'}"
            )
        return _only_group(found, str(path))
    group, part, _ = _meaning(path.name)
    beside = (one for one in path.parent.iterdir() if is_array_file(one) and _meaning(one.name)[:2] == (group, part))
    found = _paired(_single_arrays(beside, path.parent), str(path))
    if not found:
        raise DatasetError(
            f"{path}: expected files of pictures and of classes beside each other, such as x.npy and y.npy, found only "
            f"{path.name}"
        )
    return {"train": next(iter(found.values()))[part]}


def find_in_folder(folder: Path, files: Iterable[Path]) -> dict[str, ArrayPair]:
    """Find the parts in a folder's array files, by the words in their names; empty if there are no pictures.

    Raises:
        DatasetError: A file cannot be read, pictures are without classes, or several datasets are in the folder.
    """
    files = sorted(files, key=lambda path: (len(path.parts), len(path.name), str(path)))
    return _only_group(_paired(_single_arrays(files, folder), str(folder)), str(folder))


def _single_arrays(files: Iterable[Path], folder: Path) -> dict[str, _Array]:
    """The arrays of several files, by names that begin with the file's place in the folder."""
    return {f"{path.relative_to(folder)}/{name}": array for path in files for name, array in _arrays_of(path).items()}


def _arrays_of(path: Path) -> dict[str, _Array]:
    """The arrays in a file, by their names; the only array of a file has none."""
    suffix = path.suffix.lower()
    if suffix == ".mat":
        return {name: _Array(f"{path}: {name}", partial(np.asarray, value), True) for name, value in _read_mat(path)}
    if suffix not in SUFFIXES:
        return {"": _Array(str(path), partial(idx.read_array, path))}
    names = names_in_npz(path) if suffix == ".npz" else [""]
    if len(names) == 1:
        return {"": _Array(str(path), partial(load_array, path, names[0]))}
    return {name: _Array(f"{path}: {name}", partial(load_array, path, name)) for name in names}


def names_in_npz(path: Path) -> list[str]:
    """The names of the arrays in an `.npz`."""
    with _reading(path), open_file(path) as file, np.load(file, allow_pickle=False) as arrays:
        return list(arrays.files)


def load_array(path: Path, name: str) -> Any:
    """Read one array of an `.npz`, or the array of an `.npy`, which has no name; pickled objects never."""
    with _reading(path), open_file(path) as file:
        if file.read(2) == b"PK":
            with zipfile.ZipFile(file) as archive:
                for entry in (one for one in archive.infolist() if one.filename in (name, f"{name}.npy")):
                    check_unpacked(entry.file_size, entry.compress_size, str(path))
                    with archive.open(entry) as packed:
                        _check_header(cast(BinaryIO, packed), entry.file_size, path)
        else:
            _check_header(file, size_of(file), path)
        file.seek(0)
        loaded = np.load(file, allow_pickle=False)
        array = loaded[name] if name else loaded
        if not isinstance(array, np.ndarray):
            raise DatasetError(f"{path}: expected arrays, found other files in the archive")
        return array


def _check_header(file: BinaryIO, size: int, path: Path) -> None:
    """Compare the shape in an `.npy` file's header with the file's size, before an array is allocated."""
    file.seek(0)
    if file.read(6) != np.lib.format.MAGIC_PREFIX:
        return
    file.seek(0)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    claimed, held = prod(shape) * dtype.itemsize, size - file.tell()
    if claimed > held and not dtype.hasobject:
        raise DatasetError(f"{path}: expected {claimed:,} bytes for {dtype}{list(shape)}, received {held:,}")


class _reading:
    """Turns whatever a parser of damaged files raises into a DatasetError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, DatasetError) or not isinstance(error, Exception):
            return
        if "allow_pickle" in str(error):
            raise DatasetError(
                f"{self.path}: an array of Python objects runs code when it is opened (allow_pickle=False); save "
                "arrays of numbers, or of text"
            ) from None
        if isinstance(error, OSError) and error.strerror:
            raise DatasetError(f"{self.path}: cannot be read: {error.strerror}") from None
        kind_of = self.path.suffix.lower() or "file"
        raise DatasetError(f"{self.path}: not readable as {kind_of} of plain arrays: {first_line(error)}") from None


def _read_mat(path: Path) -> list[tuple[str, Any]]:
    """The arrays of a MATLAB file, those in structures by names such as `dataset.train.images`."""
    from scipy.io import loadmat

    with _reading(path), open_file(path) as file:
        head = file.read(128)
        if b"MATLAB 7.3" in head:
            raise DatasetError(f"{path}: expected a MATLAB file before version 7.3; save it with -v7, or as .npz")
        order = ">" if head.endswith(b"MI") else "<"
        while 0 not in head[:4] and len(tag := file.read(8)) == 8:  # each variable's type and size, from version 5 on
            kind, size = struct.unpack(f"{order}II", tag)
            end = file.tell() + size
            if kind == MATLAB_COMPRESSED:
                check_deflated(file, size, str(path))
            file.seek(end)
        file.seek(0)
        content = loadmat(file, simplify_cells=True)

    def flat(value: Any, name: str) -> Iterable[tuple[str, Any]]:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                yield from flat(inner, f"{name}.{key}" if name else key)
        elif isinstance(value, np.ndarray) and not name.startswith("__"):
            yield name, value

    return list(flat(content, ""))


def words(name: str) -> list[str]:
    """The words in a name, in small letters: `trainImages-idx3` has `train`, `images`, `idx` and `3`."""
    return [found.lower() for found in _WORDS.findall(name)]


def _meaning(name: str) -> tuple[tuple[str, ...], str, str | None]:
    """What a name tells: the dataset, the part, and whether it is pictures (`x`), classes (`y`) or neither (None)."""
    rest, part, role = [], "train", None
    for word in words(name):
        if word in PARTS:
            part = PARTS[word]
        elif word in PICTURES:
            role = "x"
        elif word in CLASSES:
            role = "y"
        elif not _NOISE.fullmatch(word):
            rest.append(word)
    return tuple(rest), part, role


def _paired(arrays: Mapping[str, _Array], where: str) -> dict[tuple[str, ...], dict[str, ArrayPair]]:
    """The pairs of pictures and classes, by dataset and part; of an array that is there twice the first is taken."""
    roles: dict[tuple[tuple[str, ...], str], dict[str, _Array]] = {}
    for name, array in arrays.items():
        group, part, role = _meaning(name)
        if role:
            roles.setdefault((group, part), {}).setdefault(role, array)
    found: dict[tuple[str, ...], dict[str, ArrayPair]] = {}
    for (group, part), pair in roles.items():
        if len(pair) == 2:
            found.setdefault(group, {})[part] = ArrayPair(pair["x"], pair["y"])
    if roles and not found:
        alone = next(iter(next(iter(roles.values())).values())).name
        raise DatasetError(f"{where}: expected images and labels, found only {Path(alone).name}")
    return found


def _only_group(found: Mapping[tuple[str, ...], dict[str, ArrayPair]], where: str) -> dict[str, ArrayPair]:
    if len(found) > 1:
        names = sorted(next(iter(parts.values())).pictures.name for parts in found.values())
        raise DatasetError(
            f"{where}: expected one dataset, found {len(found)}; give the file of one of them: {', '.join(names)}"
        )
    return next(iter(found.values()), {})
