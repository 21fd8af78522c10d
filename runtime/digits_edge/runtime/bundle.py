"""A published bundle on disk: its manifest, and its files with their hashes checked."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .errors import BundleError, IntegrityError
from .files import leads_outside, read_file, sha256
from .metadata import Contract, check_schema

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_MODEL: Final = "default.onnx"
KIND: Final = "digits-edge bundle"
MANIFEST: Final = "manifest.json"
MAX_MANIFEST_BYTES: Final = 2**26
MAX_MODEL_BYTES: Final = 2**31 - 1  # of a protobuf
ONNX_BEST_FIRST: Final = ("model.int8.onnx", "model.onnx")


class BundleFile(NamedTuple):
    """One file of a bundle, as the manifest has it."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, eq=False)
class Bundle:
    """A folder that `digits-edge export` published.

    Attributes:
        folder: where it is.
        files: every file but the manifest.
        manifest: the manifest's JSON, whole.
    """

    folder: str
    files: tuple[BundleFile, ...]
    manifest: dict[str, Any]

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Bundle:
        """Read a bundle's manifest; files are checked when they are read.

        Raises:
            BundleError: no bundle is there, or one of a newer schema.
        """
        folder = _find_published(os.fspath(path))
        if not os.path.isdir(folder):
            found = "another file" if os.path.exists(folder) else "nothing there"
            raise BundleError(f"{path}: expected a bundle's folder or an .onnx file, found {found}")
        if not os.path.exists(os.path.join(folder, MANIFEST)):
            inner = _find_published(os.path.join(folder, "bundle"))
            folder = inner if os.path.isdir(inner) else folder  # of a run, which holds its bundle
        try:
            manifest = _read_manifest(folder)
        except FileNotFoundError:
            raise BundleError(f"{path}: expected a bundle, found a folder without {MANIFEST}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise BundleError(f"{os.path.join(folder, MANIFEST)}: not readable as JSON: {error}") from None
        return cls._of(folder, manifest)

    @classmethod
    def _of(cls, folder: str, manifest: Any) -> Bundle:
        where = os.path.join(folder, MANIFEST)
        if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
            raise BundleError(f"{where}: expected the manifest of a {KIND}, received another JSON")
        check_schema(manifest.get("schema"), where)
        try:
            files = tuple(BundleFile(str(f["name"]), int(f["bytes"]), str(f["sha256"])) for f in manifest["files"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise BundleError(f"{where}: its list of files is damaged: {type(error).__name__}: {error}") from None
        for file in files:
            if not _is_inside(file.name):
                raise IntegrityError(f"{where}: it names a file outside the bundle, {file.name!r}")
        return cls(folder, files, manifest)

    def read(self, name: str) -> bytes:
        """The bytes of one file, after their SHA-256 was found to be the manifest's.

        Raises:
            IntegrityError: the file is missing or was altered.
            BundleError: the manifest does not name it.
        """
        file = next((f for f in self.files if f.name == name), None)
        if file is None:
            raise BundleError(f"{self.folder}: expected one of {', '.join(self.names)}, received {name!r}")
        path = os.path.join(self.folder, name)
        try:
            if leads_outside(self.folder, path):
                raise IntegrityError(f"{path}: it is a link that leads outside the bundle")
            size = os.stat(path).st_size
            data = read_file(path, file.bytes) if size == file.bytes else b""  # another size needs no reading
        except FileNotFoundError:
            raise IntegrityError(f"{path}: missing; the manifest names it ({file.bytes:,} bytes)") from None
        except OSError as error:
            raise IntegrityError(f"{path}: cannot be read: {error.strerror or error}") from None
        digest = sha256(data) if size == file.bytes else "others"
        if digest != file.sha256:
            raise IntegrityError(
                f"{path}: expected {file.bytes:,} bytes with SHA-256 {file.sha256[:12]}…, "
                f"received {size:,} bytes with {digest[:12]}…: the file was altered after it was published"
            )
        return data

    def verify(self) -> None:
        """Read every file once.

        Raises:
            IntegrityError: a file is missing or was altered.
        """
        for name in self.names:
            self.read(name)

    def contract(self) -> Contract:
        """What the models say of themselves, with the first one's golden answers.

        Raises:
            BundleError: the manifest is damaged.
        """
        where = os.path.join(self.folder, MANIFEST)
        answers = self.section("golden", "answers")
        if not answers:
            raise BundleError(f"{where}: expected golden vectors, found none")
        golden = {**self.section("golden"), "probabilities": next(iter(answers.values()))}
        return Contract.from_json({**self.manifest, "golden": golden}, where)

    def section(self, *keys: str) -> dict[str, Any]:
        """A part of the manifest by its keys, empty where there is none."""
        part: Any = self.manifest
        for key in keys:
            part = part.get(key) if isinstance(part, dict) else None
        return part if isinstance(part, dict) else {}

    @property
    def path(self) -> Path:
        """Where it is."""
        from pathlib import Path

        return Path(self.folder)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its files."""
        return tuple(f.name for f in self.files)

    @property
    def best_onnx(self) -> str:
        """The model to run through onnxruntime: int8 where there is one.

        Raises:
            BundleError: the bundle has no ONNX model.
        """
        for name in ONNX_BEST_FIRST:
            if name in self.names:
                return name
        raise BundleError(
            f"{self.folder}: it has no ONNX model (only {', '.join(self.names)}): export with --format onnx"
        )


def read_model(path: str | os.PathLike[str] | None) -> tuple[bytes, str]:
    """The model that stands at a path, and where that is for messages.

    Args:
        path: a bundle's folder, whose best ONNX model is taken, or one `.onnx` file; None for the package's model. Of a
            file that a published bundle's manifest beside it names, too, the hash is checked.

    Raises:
        BundleError: there is none, or it cannot be read.
        IntegrityError: it is missing in its bundle, or was altered.
    """
    if path is None:
        return read_file(os.path.join(os.path.dirname(__file__), DEFAULT_MODEL), MAX_MODEL_BYTES), DEFAULT_MODEL
    try:
        place = os.fsdecode(path)
        if not place.endswith(".onnx") or os.path.isdir(place):
            bundle = Bundle.open(place)
            name = bundle.best_onnx
            return bundle.read(name), os.path.join(bundle.folder, name)
        for file in (place, os.path.realpath(place)):  # a link into a bundle is one of its files, too
            folder, name = os.path.split(file)
            published = _published(folder)
            if published is not None and name in published.names:
                return published.read(name), file
        return read_file(place, MAX_MODEL_BYTES), place
    except OSError as error:
        raise BundleError(f"{place}: cannot be read: {error.strerror or error}") from None
    except (TypeError, ValueError) as error:  # no path at all, or one with a null character
        raise BundleError(f"{path!r:.200}: expected the path of a bundle or an .onnx file: {error}") from None


def _published(folder: str) -> Bundle | None:
    """The bundle that a folder is, or None."""
    try:
        manifest = _read_manifest(folder)
    except (OSError, ValueError, RecursionError):  # there is none, or another program's, or a damaged one
        return None
    ours = isinstance(manifest, dict) and manifest.get("kind") == KIND
    return Bundle._of(folder, manifest) if ours else None


def _read_manifest(folder: str) -> Any:
    data = read_file(os.path.join(folder, MANIFEST), MAX_MANIFEST_BYTES)
    return json.loads(data.decode(), parse_constant=_no_number)


def _is_inside(name: str) -> bool:
    """Whether a file's name stays in its folder, on every system."""
    parts = name.replace("\\", "/").split("/")
    return name.isprintable() and ":" not in name and not {"", ".", ".."} & set(parts)


def _no_number(constant: str) -> float:
    raise ValueError(f"it holds {constant}")


def _find_published(path: str) -> str:
    if os.path.exists(path):
        return path
    from pathlib import Path

    return str(find_published(Path(path)))


def find_published(path: Path) -> Path:
    """`path`, or where its content waits when the power went between the two renames of a swap."""
    if path.exists():
        return path
    waiting = set_aside(path.absolute())
    return waiting if waiting.is_dir() else path


def set_aside(path: Path) -> Path:
    """Where a published folder stands for the moment in which a new one takes its place."""
    return path.with_name(f".{path.name}.previous")
