"""Read a bundle: its manifest, and its files with their hashes checked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .errors import BundleError, IntegrityError
from .files import MAX_JSON_BYTES, leads_outside, parse_json, read_file, sha256
from .metadata import Contract, check_schema

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_MODEL: Final = "default.onnx"
KIND: Final = "digits-edge bundle"
REJECTED: Final = "digits-edge rejected export"  # the kind of a folder that a refused export leaves
MANIFEST: Final = "manifest.json"
MAX_MODEL_BYTES: Final = 2**31 - 1  # the largest protobuf
ATTEMPTS: Final = 10  # to read a bundle that is replaced meanwhile
ONNX_BEST_FIRST: Final = ("model.int8.onnx", "model.onnx")


class _ReplacedError(BundleError):
    """A bundle was replaced after its manifest was read."""


class BundleFile(NamedTuple):
    """One file of a bundle, as the manifest lists it."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, eq=False)
class Bundle:
    """A folder that `digits-edge export` published.

    Attributes:
        folder: Path of the folder.
        files: All files except the manifest.
        manifest: The manifest's JSON.

    Example:
        from digits_edge.export import Bundle

        bundle = Bundle.open("artifacts/compact")
        bundle.verify()
        print(bundle.names, bundle.manifest["metrics"])
    """

    folder: str
    files: tuple[BundleFile, ...]
    manifest: dict[str, Any]

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Bundle:
        """Read a bundle's manifest. The other files are checked when they are read.

        Args:
            path: A bundle's folder, or a run's folder with a bundle in it.

        Raises:
            BundleError: There is no bundle, or a newer digits-edge wrote it.
        """
        for _ in range(ATTEMPTS):
            folder = _find_published(os.fspath(path))
            if not os.path.exists(os.path.join(folder, MANIFEST)):
                inner = _find_published(os.path.join(folder, "bundle"))
                folder = inner if os.path.isdir(inner) else folder  # a run has its bundle inside
            try:
                return cls._of(folder, _read_manifest(folder))
            except (FileNotFoundError, NotADirectoryError):  # or it is just being replaced
                continue
            except (OSError, ValueError) as error:
                if isinstance(error, OSError) and error.errno is None:  # raised by a signal handler, as a TimeoutError
                    raise
                raise BundleError(f"{os.path.join(folder, MANIFEST)}: not readable as JSON: {error}") from None
        if os.path.isdir(folder):
            raise BundleError(f"{path}: expected a bundle, found a folder without {MANIFEST}")
        found = "another file" if os.path.exists(folder) else "nothing there"
        raise BundleError(f"{path}: expected a bundle's folder or an .onnx file, found {found}")

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
        """Read one file, and check its SHA-256 against the manifest.

        Raises:
            IntegrityError: The file is missing or was altered.
            BundleError: The manifest does not list it, or the bundle was replaced after it was opened.
        """
        try:
            return self._read(name)
        except IntegrityError:
            if self._is_current():
                raise
        raise _ReplacedError(f"{self.folder}: the bundle was replaced while it was read: read it again")

    def _is_current(self) -> bool:
        """Whether the folder still has the manifest that was read."""
        try:
            return bool(_read_manifest(self.folder) == self.manifest)
        except (OSError, ValueError):
            return False

    def _read(self, name: str) -> bytes:
        file = next((f for f in self.files if f.name == name), None)
        if file is None:
            raise BundleError(f"{self.folder}: expected one of {', '.join(self.names)}, received {name!r}")
        path = os.path.join(self.folder, name)
        try:
            if leads_outside(self.folder, path):
                raise IntegrityError(f"{path}: it is a link that leads outside the bundle")
            size = os.stat(path).st_size
            data = read_file(path, file.bytes) if size == file.bytes else b""  # a file of another size need not be read
        except FileNotFoundError:
            raise IntegrityError(f"{path}: missing; the manifest names it ({file.bytes:,} bytes)") from None
        except OSError as error:
            if error.errno is None:  # as above
                raise
            raise IntegrityError(f"{path}: cannot be read: {error.strerror}") from None
        digest = sha256(data) if size == file.bytes else "others"
        if digest != file.sha256:
            raise IntegrityError(
                f"{path}: expected {file.bytes:,} bytes with SHA-256 {file.sha256[:12]}…, "
                f"received {size:,} bytes with {digest[:12]}…: the file was altered after it was published"
            )
        return data

    def verify(self) -> None:
        """Check the SHA-256 of every file.

        Raises:
            IntegrityError: A file is missing or was altered.
        """
        for name in self.names:
            self.read(name)

    def contract(self) -> Contract:
        """The contract of the models, with the golden answers of the first one.

        Raises:
            BundleError: The manifest is damaged.
        """
        where = os.path.join(self.folder, MANIFEST)
        answers = self.section("golden", "answers")
        if not answers:
            raise BundleError(f"{where}: expected golden vectors, found none")
        golden = {**self.section("golden"), "probabilities": next(iter(answers.values()))}
        return Contract.from_json({**self.manifest, "golden": golden}, where)

    def section(self, *keys: str) -> dict[str, Any]:
        """A part of the manifest by its keys; empty if it is missing."""
        part: Any = self.manifest
        for key in keys:
            part = part.get(key) if isinstance(part, dict) else None
        return part if isinstance(part, dict) else {}

    @property
    def path(self) -> Path:
        """Path of the folder."""
        from pathlib import Path

        return Path(self.folder)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all files except the manifest."""
        return tuple(f.name for f in self.files)

    @property
    def best_onnx(self) -> str:
        """Name of the model to run with onnxruntime: the int8 model if there is one.

        Raises:
            BundleError: The bundle has no ONNX model.
        """
        for name in ONNX_BEST_FIRST:
            if name in self.names:
                return name
        raise BundleError(
            f"{self.folder}: it has no ONNX model (only {', '.join(self.names)}): export with --format onnx"
        )


def read_model(path: str | os.PathLike[str] | None) -> tuple[bytes, str]:
    """Read a bundle's best ONNX model, an `.onnx` file or, for None, the package's model; also its path for messages.

    The hash of a file is checked if a manifest beside it lists it. A bundle that is replaced meanwhile is read again.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return _read_model(path)
        except _ReplacedError:
            continue
    return _read_model(path)


def _read_model(path: str | os.PathLike[str] | None) -> tuple[bytes, str]:
    if path is None:
        return read_file(os.path.join(os.path.dirname(__file__), DEFAULT_MODEL), MAX_MODEL_BYTES), DEFAULT_MODEL
    try:
        place = os.fsdecode(path)
        if not place.lower().endswith(".onnx") or os.path.isdir(place):
            bundle = Bundle.open(place)
            name = bundle.best_onnx
            return bundle.read(name), os.path.join(bundle.folder, name)
        for file in (place, os.path.realpath(place)):  # a link may lead to a bundle's file
            folder, name = os.path.split(file)
            published = _published(folder)
            if published is not None and name in published.names:
                return published.read(name), file
        return read_file(place, MAX_MODEL_BYTES), place
    except OSError as error:
        if error.errno is None:  # as above
            raise
        raise BundleError(f"{place}: cannot be read: {error.strerror}") from None
    except (TypeError, ValueError) as error:  # not a path, or one with a null character
        raise BundleError(f"{path!r:.200}: expected the path of a bundle or an .onnx file: {error}") from None


def _published(folder: str) -> Bundle | None:
    """The bundle in a folder, or None."""
    try:
        manifest = _read_manifest(folder)
    except (OSError, ValueError):  # no manifest, or a damaged one
        return None
    ours = isinstance(manifest, dict) and manifest.get("kind") == KIND
    return Bundle._of(folder, manifest) if ours else None


def _read_manifest(folder: str) -> Any:
    return parse_json(read_file(os.path.join(folder, MANIFEST), MAX_JSON_BYTES), _no_number)


def _is_inside(name: str) -> bool:
    """Whether a file's name stays inside its folder, on every system."""
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
    """`path`, or the place of its content if a swap was interrupted between its two renames."""
    if path.exists():
        return path
    waiting = set_aside(path.absolute())
    return waiting if waiting.is_dir() else path


def set_aside(path: Path) -> Path:
    """The place of a published folder while a new one replaces it."""
    return path.with_name(f".{path.name}.previous")
