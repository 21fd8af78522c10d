"""Start LiteRT's interpreter and run it.

Nothing of ours is imported, so that a process in which LiteRT is measured pays for LiteRT alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .tensor_spec import Inference


def start_interpreter(data: bytes) -> Any:
    """Load a flatbuffer into LiteRT's interpreter, on one thread.

    Raises:
        ValueError: The bytes are no flatbuffer, or one that needs operators that LiteRT does not have.
        RuntimeError: LiteRT cannot prepare the model.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def inference_of(interpreter: Any) -> Inference:
    """The function from a model's first input tensor to its first output tensor."""
    source, sink = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def infer(tensor: Any) -> Any:
        interpreter.set_tensor(source, tensor)
        interpreter.invoke()
        return interpreter.get_tensor(sink)

    return infer
