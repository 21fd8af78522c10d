"""A published bundle on disk: its manifest, and its files with their hashes checked."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, Final

from .contract import Contract, check_schema
from .errors import BundleError, IntegrityError

KIND: Final = "digits-edge bundle"
MANIFEST: Final = "manifest.json"
MAX_MANIFEST_BYTES: Final = 2**26
MAX_MODEL_BYTES: Final = 2**31 - 1  # of a protobuf
ONNX_BEST_FIRST: Final = ("model.int8.onnx", "model.onnx")


@dataclass(frozen=True)
class BundleFile:
    """One file of a bundle, as the manifest has it."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Bundle:
    """A folder that `digits-edge export` published.

    Attributes:
        path: the folder.
        files: every file but the manifest.
        manifest: the manifest's JSON, whole.
    """

    path: Path
    files: tuple[BundleFile, ...]
    manifest: dict[str, Any]

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Bundle:
        """Read a bundle's manifest; files are checked when they are read.

        Raises:
            BundleError: no bundle is there, or one of a newer schema.
        """
        folder = find_published(Path(path))
        if not folder.is_dir():
            found = "another file" if folder.exists() else "nothing there"
            raise BundleError(f"{path}: expected a bundle's folder or an .onnx file, found {found}")
        if not (folder / MANIFEST).exists() and find_published(folder / "bundle").is_dir():
            folder = find_published(folder / "bundle")  # a run, which holds its bundle
        where = str(folder / MANIFEST)
        try:
            data = read_whole(folder / MANIFEST, MAX_MANIFEST_BYTES)
            manifest = json.loads(data.decode(), parse_constant=_no_number)
        except FileNotFoundError:
            raise BundleError(f"{path}: expected a bundle, found a folder without {MANIFEST}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise BundleError(f"{where}: not readable as JSON: {error}") from None
        if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
            raise BundleError(f"{where}: expected the manifest of a {KIND}, received another JSON")
        check_schema(manifest.get("schema"), where)
        try:
            files = tuple(BundleFile(str(f["name"]), int(f["bytes"]), str(f["sha256"])) for f in manifest["files"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise BundleError(f"{where}: its list of files is damaged: {type(error).__name__}: {error}") from None
        for file in files:
            name = PureWindowsPath(file.name)  # takes / and \\ alike
            if name.anchor or ".." in name.parts or not file.name.isprintable() or not name.name:
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
            raise BundleError(f"{self.path}: expected one of {', '.join(self.names)}, received {name!r}")
        path = self.path / name
        try:
            if not path.resolve().is_relative_to(self.path.resolve()):
                raise IntegrityError(f"{path}: it is a link that leads outside the bundle, to {path.resolve()}")
            size = path.stat().st_size
            data = read_whole(path, file.bytes) if size == file.bytes else b""  # another size needs no reading
        except FileNotFoundError:
            raise IntegrityError(f"{path}: missing; the manifest names it ({file.bytes:,} bytes)") from None
        except (OSError, RuntimeError) as error:  # RuntimeError: of links that lead in a circle
            raise IntegrityError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
        digest = hashlib.sha256(data).hexdigest() if size == file.bytes else "others"
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
        answers = self.section("golden", "answers")
        if not answers:
            raise BundleError(f"{self.path / MANIFEST}: expected golden vectors, found none")
        golden = {**self.section("golden"), "probabilities": next(iter(answers.values()))}
        return Contract.from_json({**self.manifest, "golden": golden}, str(self.path / MANIFEST))

    def section(self, *keys: str) -> dict[str, Any]:
        """A part of the manifest by its keys, empty where there is none."""
        part: Any = self.manifest
        for key in keys:
            part = part.get(key) if isinstance(part, dict) else None
        return part if isinstance(part, dict) else {}

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
            f"{self.path}: it has no ONNX model (only {', '.join(self.names)}): export with --format onnx"
        )


def read_model(path: str | os.PathLike[str]) -> tuple[bytes, str]:
    """The model that stands at a path, and where that is for messages.

    Args:
        path: a bundle's folder, whose best ONNX model is taken, or one `.onnx` file. Of a file that a published
            bundle's manifest beside it names, too, the hash is checked.

    Raises:
        BundleError: there is none, or it cannot be read.
        IntegrityError: it is missing in its bundle, or was altered.
    """
    try:
        path = Path(os.fsdecode(path))
        if path.suffix != ".onnx" or path.is_dir():
            bundle = Bundle.open(path)
            name = bundle.best_onnx
            return bundle.read(name), str(bundle.path / name)
        for file in (path, path.resolve()):  # a link into a bundle is one of its files, too
            published = _published_with(file)
            if published is not None and file.name in published.names:
                return published.read(file.name), str(file)
        return read_whole(path, MAX_MODEL_BYTES), str(path)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (TypeError, ValueError, RuntimeError) as error:  # no path at all, with a null character, links in a circle
        raise BundleError(f"{path!r:.200}: expected the path of a bundle or an .onnx file: {error}") from None


def read_whole(path: Path, limit: int) -> bytes:
    """A regular file's bytes.

    Raises:
        OSError: it cannot be read, is a pipe or a device, or has more than `limit` bytes, which are not read then.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "expected a regular file")
    if found.st_size > limit:
        raise OSError(errno.EFBIG, f"expected at most {limit:,} bytes, found {found.st_size:,}")
    with path.open("rb") as file:
        return file.read(found.st_size)


def _published_with(file: Path) -> Bundle | None:
    """The bundle in whose folder a file stands."""
    manifest = file.with_name(MANIFEST)
    if not manifest.is_file():
        return None
    try:
        ours = json.loads(read_whole(manifest, MAX_MANIFEST_BYTES)).get("kind") == KIND
    except (OSError, ValueError, RecursionError, AttributeError):  # another program's, or damaged
        ours = False
    return Bundle.open(file.parent) if ours else None


def _no_number(constant: str) -> float:
    raise ValueError(f"it holds {constant}")


def find_published(path: Path) -> Path:
    """`path`, or where its content waits when the power went between the two renames of a swap."""
    if path.exists():
        return path
    waiting = set_aside(path.absolute())
    return waiting if waiting.is_dir() else path


def set_aside(path: Path) -> Path:
    """Where a published folder stands for the moment in which a new one takes its place."""
    return path.with_name(f".{path.name}.previous")
