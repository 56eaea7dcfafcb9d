"""The only file that knows TFLite runtimes: LiteRT and the older tflite-runtime, behind one class.

Nothing heavy is imported before it is needed, not even NumPy, so that the command line can check its options early.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_mdda.errors import ModelError, ParameterError, RuntimeMissingError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: In the order they are tried: LiteRT first, it is ten times faster on int8.
RUNTIMES = ("litert", "tflite-runtime")
MAX_THREADS = 64
#: What each is imported as, in the same order.
MODULES = {"litert": "ai_edge_litert.interpreter", "tflite-runtime": "tflite_runtime.interpreter"}
_INSTALL = {"litert": "pip install ai-edge-litert", "tflite-runtime": "pip install 'edge-mdda[tflite-runtime]'"}


@dataclass(frozen=True)
class Tensor:
    """The one input or output of a model: real value = scale · (stored value − zero point); scale 0 for float32."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int


@dataclass(frozen=True)
class Operator:
    """One operator of a model: shapes of the tensors it reads and writes, and the bytes they hold together."""

    name: str
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    bytes: int


class Interpreter:
    """One model in one runtime; a class because the runtime keeps the model and its buffers. Not safe across threads.

    Attributes:
        runtime: one of `RUNTIMES`.
        input: the model's input.
        output: the model's output.
    """

    def __init__(self, runtime: str, native: Any) -> None:
        self.runtime = runtime
        self._native = native
        self.input, self._input_index = _describe(native.get_input_details(), "input")
        self.output, self._output_index = _describe(native.get_output_details(), "output")

    def run(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """Run the model on a tensor of the shape and dtype of `input`; returns one of the shape and dtype of `output`.

        Raises:
            ValueError: another shape or dtype.
        """
        if tensor.shape != self.input.shape or tensor.dtype != self.input.dtype:
            expected = f"{self.input.dtype} {self.input.shape}"
            raise ValueError(f"expected a tensor {expected}, got {tensor.dtype} {tensor.shape}")
        self._native.set_tensor(self._input_index, tensor)
        self._native.invoke()
        result: NDArray[Any] = self._native.get_tensor(self._output_index)
        return result

    def operators(self) -> list[Operator]:
        """The model's operators in order, as the file has them; none where the runtime does not tell."""
        return _operators(self._native)


class AnyModel:
    """A model of whatever inputs and outputs, filled with noise, to be timed and no more.

    Attributes:
        runtime: one of `RUNTIMES`.
    """

    def __init__(self, runtime: str, native: Any) -> None:
        import numpy as np

        self.runtime = runtime
        self._native = native
        random = np.random.default_rng(0)
        for detail in native.get_input_details():
            dtype = np.dtype(detail["dtype"])
            if dtype.kind not in "iufb":
                raise ModelError(f"expected inputs of numbers, got {dtype}")
            noise = random.random(tuple(detail["shape"])) * (1 if dtype.kind == "f" else 2)
            native.set_tensor(detail["index"], noise.astype(dtype))
        self.run()

    def run(self) -> None:
        """Run the model.

        Raises:
            ModelError: it cannot be run on noise, as one whose input is an index may not.
        """
        try:
            self._native.invoke()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"expected a model that runs on noise, got: {error}") from None

    def operators(self) -> list[Operator]:
        """As of `Interpreter`."""
        return _operators(self._native)


def open(model: bytes, runtime: str = "auto", threads: int | None = None) -> Interpreter:
    """Load a TFLite model, given as its file's content.

    tflite-runtime, unlike LiteRT, does not check a model's structure and can crash on one cut short: give it only bytes
    whose hash was checked.

    Args:
        model: content of a .tflite file with one input and one output, each int8 with one scale, or float32.
        runtime: one of `RUNTIMES`, or "auto" for the first of them that is installed.
        threads: 1 to 64; None leaves it to the runtime, which takes one.

    Raises:
        ParameterError: unknown runtime, or threads out of range.
        RuntimeMissingError: no runtime, or not the one asked for, is installed and works.
        ModelError: the runtime cannot load the model, or its input and output are of another kind.
    """
    return Interpreter(*_load(model, runtime, threads))


def open_any(model: bytes, runtime: str = "auto", threads: int | None = None) -> AnyModel:
    """Load a TFLite model whatever its inputs and outputs; arguments and errors as of `open`."""
    return AnyModel(*_load(model, runtime, threads))


def _load(model: bytes, runtime: str, threads: int | None) -> tuple[str, Any]:
    """Name of the runtime, and the model in it."""
    check_options(runtime, threads)
    name, module = _find(runtime)
    try:
        native = module.Interpreter(model_content=model, num_threads=threads)
        native.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"expected a TFLite model that {name} can load, got: {error}") from None
    return name, native


def available(runtime: str = "auto") -> str:
    """Name of the runtime that `open` would take.

    Raises:
        RuntimeMissingError: no runtime, or not the one asked for, is installed and works.
    """
    return _find(runtime)[0]


def check_options(runtime: str, threads: int | None) -> None:
    """Raise ParameterError for a runtime or a number of threads that `open` would refuse."""
    if runtime != "auto" and runtime not in RUNTIMES:
        raise ParameterError(f"expected runtime out of auto, {', '.join(RUNTIMES)}, got {runtime!r}")
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise ParameterError(f"expected threads in [1, {MAX_THREADS}], got {threads}")


def _find(runtime: str) -> tuple[str, Any]:
    """Name and module of the runtime asked for, or of the first that works."""
    reasons = []
    for name in RUNTIMES if runtime == "auto" else (runtime,):
        reason = _unfit(name)
        if reason is None:
            try:
                return name, importlib.import_module(MODULES[name])
            except ModuleNotFoundError:
                continue
            except ImportError as error:  # installed, but not for this system
                reason = f"expected a working {name}, got: {error}"
        reasons.append(reason)
    if reasons:
        raise RuntimeMissingError("; ".join(reasons))
    if runtime == "auto":
        raise RuntimeMissingError(f"expected a TFLite runtime, got none installed: {_INSTALL[RUNTIMES[0]]}")
    raise RuntimeMissingError(f"expected the runtime {runtime}, got none installed: {_INSTALL[runtime]}")


def _unfit(name: str) -> str | None:
    """Why an installed runtime cannot work: tflite-runtime imports with NumPy 2, but then fails to load a model."""
    if name != "tflite-runtime" or importlib.util.find_spec("tflite_runtime") is None:
        return None
    import numpy as np

    if int(np.__version__.split(".")[0]) < 2:
        return None
    return f"expected NumPy 1 for tflite-runtime, got {np.__version__}: {_INSTALL[name]}"


def _describe(details: list[dict[str, Any]], side: str) -> tuple[Tensor, int]:
    import numpy as np

    if len(details) != 1:
        raise ModelError(f"expected a model with one {side}, got {len(details)}")
    detail = details[0]
    dtype = np.dtype(detail["dtype"])
    scales = [float(scale) for scale in detail["quantization_parameters"]["scales"]]
    if dtype == np.float32:
        scale, zero_point = 0.0, 0
    elif dtype == np.int8 and len(scales) == 1 and math.isfinite(scales[0]) and scales[0] > 0:
        scale, zero_point = scales[0], int(detail["quantization_parameters"]["zero_points"][0])
    else:
        raise ModelError(f"expected an {side} of float32, or int8 with one scale, got {dtype} with scales {scales[:3]}")
    return Tensor(tuple(int(side) for side in detail["shape"]), dtype, scale, zero_point), int(detail["index"])


def _operators(native: Any) -> list[Operator]:
    """Neither runtime has a public name for this list; a release that renames it costs the list, no more."""
    try:
        operators, tensors = native._get_ops_details(), {t["index"]: t for t in native.get_tensor_details()}
    except (AttributeError, ValueError, RuntimeError):
        return []
    found = []
    for operator in operators:
        if operator["op_name"] == "DELEGATE":  # stands for those it took over, which are listed too
            continue
        inputs, outputs = (
            [tensors[index] for index in operator[side] if index in tensors] for side in ("inputs", "outputs")
        )
        size = sum(_bytes(tensor) for tensor in (*inputs, *outputs))
        found.append(Operator(str(operator["op_name"]), _shapes(inputs), _shapes(outputs), size))
    return found


def _shapes(tensors: list[dict[str, Any]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(side) for side in tensor["shape"]) for tensor in tensors)


def _bytes(tensor: dict[str, Any]) -> int:
    import numpy as np

    dtype = np.dtype(tensor["dtype"])
    return math.prod(int(side) for side in tensor["shape"]) * int(dtype.itemsize)
