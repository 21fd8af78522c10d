"""Load Keras models from the forms of file that people have, without running code that a file brings.

Forms are told by content: Keras 3's `.keras`, that of Keras 2, HDF5 (`.h5`), and folders with a SavedModel.
"""

from __future__ import annotations

import importlib
import json
import re
import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from digits_edge.runtime.errors import first_line

from .keras_backend import import_keras

if TYPE_CHECKING:
    import keras

SUFFIXES: Final = (".keras", ".h5", ".hdf5")
SAVED_MODEL: Final = "saved_model.pb"  # in the folder of a SavedModel
ZIP, HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"  # first bytes
CONFIG: Final = "config.json"
CUSTOM: Final = re.compile(
    r"(?:Could not locate (?:class|function)|Unknown (?:layer|object|\w+ function)):? '([\w>.]+)'"
)


def is_keras_model(path: Path) -> bool:
    """Whether a path looks like a Keras model, by the suffix or as the folder of a SavedModel."""
    return path.suffix.lower() in SUFFIXES or (path / SAVED_MODEL).is_file()


def read_keras_model(path: Path, custom: str | None = None) -> keras.Model:
    """Load a model in safe mode, uncompiled.

    Args:
        path: `.keras` or HDF5 file, or folder of a SavedModel.
        custom: Module with the author's own layers, to import: a name, or the path of a `.py` file.

    Raises:
        Exception: Of any type: the file is truncated, of another form, or has a part that Keras does not know.
            `why_unreadable` says what it means.
    """
    keras = import_keras()
    names = _import(custom) if custom else {}
    if path.is_dir():
        return _open_saved_model(path)
    with _readable(path) as (file, config):
        registered = re.findall(r'"registered_name": "([^"]+)"', config)  # as package>name
        known = {name: names[short] for name in registered if (short := name.rpartition(">")[2]) in names}
        return keras.models.load_model(file, custom_objects={**names, **known}, compile=False, safe_mode=True)


def why_unreadable(error: Exception) -> str:
    """Say in one line what Keras's error means, and what to do where that is known."""
    text = str(error)
    if found := CUSTOM.search(text):
        name = found[1].rpartition(">")[2]
        if name in ("TFOpLambda", "SlicingOpLambda"):
            return (
                f"it has operations of Keras 2 that Keras 3 does not read ({name}): where it was made, save it anew as "
                'a SavedModel, tf.saved_model.save(model, "folder")'
            )
        return (
            f"{name} is not of Keras but the author's own: put it into a module, decorated with "
            "@keras.saving.register_keras_serializable(), and name the module: --custom MODULE"
        )
    if "lambda" in text.lower() and "safe_mode" in text:
        return (
            "it has a Python lambda, and no code is run that a model file brings: write it as a layer class in a "
            "module, save the model anew, and name the module: --custom MODULE"
        )
    return first_line(error)


def _import(custom: str) -> dict[str, Any]:
    """Import the module that the user names; its classes and functions by name."""
    path = Path(custom)
    folder, name = (path.parent, path.stem) if path.suffix == ".py" else (Path(), custom)
    beside = str(folder.resolve())
    sys.path.insert(0, beside)
    try:
        module = importlib.import_module(name)
    except Exception as error:  # whatever the module raises
        raise ValueError(f"--custom {custom}: it cannot be imported: {first_line(error)}") from None
    finally:
        sys.path.remove(beside)  # nothing else is imported from there
    return {name: value for name, value in vars(module).items() if callable(value) and not name.startswith("_")}


@contextmanager
def _readable(path: Path) -> Iterator[tuple[Path, str]]:
    """The file in a form and under a name that Keras 3 reads, and the JSON that describes its model."""
    with path.open("rb") as file:
        start = file.read(len(HDF5))
    with TemporaryDirectory() as folder:
        if start.startswith(ZIP):
            config = _zip_config(path)
            yield _renewed_zip(path, config, Path(folder, "model.keras")), config
        elif start == HDF5:
            config = _hdf5_config(path)
            yield _renewed_hdf5(path, config, Path(folder, "model.h5")), config
        elif not start or (len(start) < len(HDF5) and any(form.startswith(start) for form in (ZIP, HDF5))):
            raise ValueError(f"the file is truncated: {len(start)} bytes")
        else:
            raise ValueError(
                "expected a .keras file, an HDF5 file (.h5) or the folder of a SavedModel, as Keras saves them, "
                f"received other content, which begins with {start!r}"
            )


def _zip_config(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            if CONFIG not in archive.namelist():
                raise ValueError(
                    f"expected a .keras file, which has a {CONFIG}, received a zip with {archive.namelist()!s:.80}"
                )
            return archive.read(CONFIG).decode()
    except zipfile.BadZipFile:
        size = path.stat().st_size
        raise ValueError(
            f"the file is truncated or damaged: {size:,} bytes, without the end of a .keras file"
        ) from None


def _hdf5_config(path: Path) -> str:
    import h5py

    try:
        with h5py.File(path) as file:
            config = file.attrs.get("model_config")
    except OSError as error:
        damage = "truncated" if "truncated" in str(error) else "damaged"
        raise ValueError(f"the file is {damage}: {first_line(error)}") from None
    if config is None:
        raise ValueError(
            "expected a whole model, received an HDF5 file without one, as save_weights() writes it: load the weights "
            'into the model that they are of, and save that: model.save("model.keras")'
        )
    return config.decode() if isinstance(config, bytes) else str(config)


def _renewed_zip(path: Path, config: str, target: Path) -> Path:
    """The file itself, or a copy that Keras 3 reads."""
    renewed = _renew(config)
    if renewed == config and path.suffix == target.suffix:
        return path
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if name == CONFIG:
                new.writestr(name, renewed)
            else:
                with old.open(name) as source, new.open(name, "w", force_zip64=True) as copy:
                    shutil.copyfileobj(source, copy)
    return target


def _renewed_hdf5(path: Path, config: str, target: Path) -> Path:
    """The file itself, or a copy that Keras 3 reads."""
    import h5py

    renewed = _renew(config)
    if renewed == config and path.suffix in SUFFIXES[1:]:
        return path
    shutil.copyfile(path, target)
    with h5py.File(target, "r+") as file:
        file.attrs["model_config"] = renewed
    return target


def _renew(config: str) -> str:
    """Take out what Keras 2 wrote into the configurations of layers and Keras 3 does not read."""

    def mend(layer: dict[str, Any]) -> dict[str, Any]:
        kind, inner = layer.get("class_name"), layer.get("config")
        if not isinstance(inner, dict):
            return layer
        if kind == "DepthwiseConv2D" and inner.get("groups") == 1:
            del inner["groups"]
        if kind == "BatchNormalization" and isinstance(inner.get("axis"), list) and len(inner["axis"]) == 1:
            inner["axis"] = inner["axis"][0]
        if kind == "Sequential" and inner["layers"][0]["class_name"] == "InputLayer":
            for later in inner["layers"][1:]:
                later["config"].pop("batch_input_shape", None)
        if kind == "Functional":
            layer["module"] = "keras.src.models.functional"
        return layer

    renewed = json.loads(config, object_hook=mend)
    return config if renewed == json.loads(config) else json.dumps(renewed)


def _open_saved_model(path: Path) -> keras.Model:
    """A SavedModel's signature for serving as the only layer of a model."""
    keras = import_keras()
    if not (path / SAVED_MODEL).is_file():
        raise ValueError(f"expected the folder of a SavedModel, with {SAVED_MODEL}")
    try:
        layer = keras.layers.TFSMLayer(str(path), call_endpoint="serving_default")
    except Exception as error:  # TensorFlow's own
        raise ValueError(
            f'it cannot be opened as a SavedModel: {first_line(error)}; save it anew: model.save("model.keras")'
        ) from None
    inputs = list(layer.call_endpoint_fn.structured_input_signature[1].values())
    if len(inputs) != 1 or inputs[0].shape.rank is None or inputs[0].dtype.name != "float32":
        raise ValueError(f"expected one input float32[N, ...], received {inputs}")
    image = keras.Input(inputs[0].shape[1:])
    outputs = list(keras.tree.flatten(layer(image)))
    return keras.Model(image, outputs[0] if len(outputs) == 1 else outputs, name=path.stem)
