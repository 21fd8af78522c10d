"""Open an onnxruntime session with settings for embedding, and read the contract in its model."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Final, NamedTuple

from .errors import BundleError, UsageError, reason_of
from .files import parse_json
from .metadata import METADATA_KEY, Contract
from .model_limits import check_model_limits
from .network import FEATURES, PROBABILITIES
from .ort import ORT_ERRORS, onnxruntime

Provider = str | tuple[str, dict[str, Any]]
MAX_THREADS: Final = 256  # onnxruntime needs minutes to start more


class SessionSettings(NamedTuple):
    """How to run a model; `open_session` checks the values."""

    threads: int | None = None  # for one operator, 1 to 256; None for one thread, or for what `session_options` say
    providers: Sequence[Provider] | None = None  # as onnxruntime takes them, preferred one first; None for the CPU
    session_options: onnxruntime.SessionOptions | None = None  # the caller's own, used unchanged; None for ours
    trust: bool = False  # whether to leave out the check of what the model could do, see `model_limits`


def open_session(
    model: bytes, where: str = "model", settings: SessionSettings | None = None
) -> onnxruntime.InferenceSession:
    """Open a session: one thread, no spinning, no memory arena and no log, unless `settings` say otherwise.

    Raises:
        UsageError: A setting is invalid, or this onnxruntime lacks a provider.
        BundleError: onnxruntime cannot load the model, or it could do more than a model that digits-edge exports.
    """
    settings = settings or SessionSettings()
    options = _options(settings)
    providers = _providers(settings.providers)
    if settings.session_options is None and not settings.trust:  # own options may register operators of their own
        check_model_limits(model, where)
    try:
        session = onnxruntime.InferenceSession(
            model,
            options,
            providers=providers,
            enable_fallback=0,  # it would print, and retry what just failed
            read_config_from_model=0,  # a model must not choose how it is run
        )
    except ORT_ERRORS as error:
        raise BundleError(f"{where}: onnxruntime cannot load it: {reason_of(error)}") from None
    started = session.get_providers()
    missing = [name for name in map(_name, providers) if name not in started]
    if missing:  # onnxruntime continues without it and only logs that
        raise UsageError(f"providers: expected {' and '.join(missing)} to start, received {', '.join(started)} alone")
    return session


def has_threads(session: onnxruntime.InferenceSession) -> bool:
    """Whether a session has threads of its own."""
    options = session.get_session_options()
    one = options.intra_op_num_threads == 1
    return not one or options.execution_mode != onnxruntime.ExecutionMode.ORT_SEQUENTIAL


def _options(settings: SessionSettings) -> onnxruntime.SessionOptions:
    threads, own = settings.threads, settings.session_options
    if own is not None:
        if not isinstance(own, onnxruntime.SessionOptions):
            raise UsageError(f"session_options: expected an onnxruntime.SessionOptions, received {type(own).__name__}")
        if threads is not None:
            raise UsageError(
                "expected threads or session_options, received both: set intra_op_num_threads of the session_options"
            )
        return own
    whole = not isinstance(threads, bool) and isinstance(threads, Integral)
    if threads is not None and not (whole and 1 <= threads <= MAX_THREADS):
        raise UsageError(f"threads: expected a whole number from 1 to {MAX_THREADS}, received {threads!r:.80}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1 if threads is None else int(threads)
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.log_severity_level = 4  # errors are raised, not printed on the program's stderr
    return options


def _providers(given: Sequence[Provider] | None) -> list[Provider]:
    if given is None:
        return ["CPUExecutionProvider"]
    providers = list(given) if isinstance(given, list | tuple) else []
    if not providers or not all(_is_provider(provider) for provider in providers):
        raise UsageError(
            f"providers: expected a list of names and (name, options) as onnxruntime takes them, received {given!r:.80}"
        )
    names = [_name(provider) for provider in providers]
    if len(set(names)) < len(names):
        raise UsageError(f"providers: expected each once, received {', '.join(names)}")
    available = onnxruntime.get_available_providers()
    for name in names:
        if name not in available:
            raise UsageError(f"providers: this onnxruntime has {', '.join(available)}; received {name!r:.80}")
    return providers


def _is_provider(value: Any) -> bool:
    if isinstance(value, tuple):
        return len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)
    return isinstance(value, str)


def _name(provider: Provider) -> str:
    return provider if isinstance(provider, str) else provider[0]


def read_contract(session: onnxruntime.InferenceSession, where: str) -> Contract:
    """Read the contract of a session's model; raise a BundleError if it has none, or its input or output break it."""
    try:
        text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if text is None:
            raise BundleError(f"{where}: expected a model that digits-edge exported, found no contract in its metadata")
        contract = Contract.from_json(parse_json(text.encode()), where)
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise BundleError(f"{where}: the model's description is no JSON: {error}") from None
    inputs, outputs = session.get_inputs(), session.get_outputs()
    image = [(i.name, i.type, i.shape[1:]) for i in inputs]
    if image != [("image", "tensor(uint8)", list(contract.shape))] or isinstance(inputs[0].shape[0], int):
        raise BundleError(f"{where}: expected one input image: uint8[N, {contract.shape}], received {image}")
    first = (outputs[0].name, outputs[0].type, outputs[0].shape[1:])
    if first != (PROBABILITIES, "tensor(float)", [len(contract.labels)]):
        raise BundleError(f"{where}: expected a first output probabilities: float[N, C], received {first}")
    return contract


def check_features(session: onnxruntime.InferenceSession, where: str) -> None:
    """Raise a BundleError unless a session's model has the output `features: float32[N, F]`."""
    outputs = {output.name: (output.type, output.shape) for output in session.get_outputs()}
    kind, shape = outputs.get(FEATURES, ("", []))
    if kind != "tensor(float)" or len(shape) != 2:
        raise BundleError(
            f"{where}: expected a model with the output {FEATURES}, to teach it, found {', '.join(outputs)}; "
            "export it again"
        )
