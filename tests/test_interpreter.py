"""Runtimes are chosen, found and refused as said; both give the shipped model's answers within one step."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge_mdda import interpreter, model
from edge_mdda.errors import ModelError, ParameterError, RuntimeMissingError

BUNDLE = model.load()


def installed(runtime: str) -> bool:
    package = interpreter.MODULES[runtime].partition(".")[0]
    return importlib.util.find_spec(package) is not None and interpreter._unfit(runtime) is None


WORKING = [runtime for runtime in interpreter.RUNTIMES if installed(runtime)]


class TestOptions:
    @pytest.mark.parametrize("runtime", ["", "tensorflow", "LiteRT", "tflite_runtime"])
    def test_an_unknown_runtime_is_refused(self, runtime: str) -> None:
        with pytest.raises(ParameterError, match="expected runtime out of auto, litert, tflite-runtime, got"):
            interpreter.open(BUNDLE.model, runtime)

    @pytest.mark.parametrize("threads", [0, -1, interpreter.MAX_THREADS + 1])
    def test_threads_out_of_range_are_refused(self, threads: int) -> None:
        with pytest.raises(ParameterError, match=r"expected threads in \[1, 64\], got"):
            interpreter.open(BUNDLE.model, threads=threads)


class TestMissing:
    @pytest.fixture(autouse=True)
    def nothing_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(name: str) -> Any:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        monkeypatch.setattr(interpreter, "_unfit", lambda name: None)
        monkeypatch.setattr(importlib, "import_module", refuse)

    @pytest.mark.parametrize(
        ("runtime", "line"),
        [
            ("auto", r"pip install ai-edge-litert$"),
            ("litert", r"pip install ai-edge-litert$"),
            ("tflite-runtime", r"pip install 'edge-mdda\[tflite-runtime\]'$"),
        ],
    )
    def test_the_error_names_the_one_line_that_installs_it(self, runtime: str, line: str) -> None:
        with pytest.raises(RuntimeMissingError, match=f"got none installed: {line}"):
            interpreter.open(BUNDLE.model, runtime)

    def test_a_runtime_that_cannot_be_imported_says_why(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(name: str) -> Any:
            raise ImportError("libstdc++.so.6: version `GLIBCXX_3.4.30' not found")

        monkeypatch.setattr(importlib, "import_module", refuse)
        with pytest.raises(RuntimeMissingError, match=r"expected a working litert, got: .*GLIBCXX"):
            interpreter.open(BUNDLE.model, "litert")


class TestNumPy:
    """tflite-runtime imports with NumPy 2 and fails only later, with a message that names neither."""

    @pytest.fixture(autouse=True)
    def tflite_runtime_is_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())

    def test_numpy_2_is_refused_clearly(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(np, "__version__", "2.1.0")
        with pytest.raises(RuntimeMissingError, match=r"expected NumPy 1 for tflite-runtime, got 2\.1\.0: pip install"):
            interpreter.open(BUNDLE.model, "tflite-runtime")

    def test_numpy_1_is_fit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(np, "__version__", "1.26.4")
        assert interpreter._unfit("tflite-runtime") is None

    def test_litert_takes_any(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(np, "__version__", "2.1.0")
        assert interpreter._unfit("litert") is None


@pytest.mark.parametrize("runtime", WORKING)
class TestWorking:
    def test_the_shipped_model_is_int8_in_and_out(self, runtime: str) -> None:
        opened = interpreter.open(BUNDLE.model, runtime)
        assert opened.runtime == runtime
        assert opened.input.shape == (1, BUNDLE.height, BUNDLE.width, 3)
        assert opened.output.shape == (1, len(BUNDLE.labels))
        for tensor in (opened.input, opened.output):
            assert tensor.dtype == np.int8
            assert tensor.scale > 0
            assert -128 <= tensor.zero_point <= 127

    def test_the_card_says_what_the_model_says(self, runtime: str) -> None:
        tensor = interpreter.open(BUNDLE.model, runtime).input
        assert tensor.scale == pytest.approx(BUNDLE.card["input"]["scale"])
        assert tensor.zero_point == BUNDLE.card["input"]["zero_point"]

    def test_a_run_gives_a_tensor_as_described_that_a_later_run_leaves_alone(self, runtime: str) -> None:
        opened = interpreter.open(BUNDLE.model, runtime, threads=2)
        random = np.random.default_rng(1)
        first, second = random.integers(-128, 128, (2, *opened.input.shape), np.int8)
        result = opened.run(first)
        kept = result.copy()
        assert (result.shape, result.dtype) == (opened.output.shape, opened.output.dtype)
        opened.run(second)
        assert np.array_equal(result, kept)
        assert np.array_equal(opened.run(first), kept)

    def test_another_shape_or_dtype_is_refused(self, runtime: str) -> None:
        opened = interpreter.open(BUNDLE.model, runtime)
        for tensor in (np.zeros(opened.input.shape, np.float32), np.zeros((1, 8, 8, 3), np.int8)):
            with pytest.raises(ValueError, match="expected a tensor int8"):
                opened.run(tensor)

    @pytest.mark.parametrize("content", [b"", b"not a model", BUNDLE.model[:-1000]])
    def test_what_is_not_a_model_is_refused(self, runtime: str, content: bytes) -> None:
        with pytest.raises(ModelError, match=f"expected a TFLite model that {runtime} can load, got"):
            interpreter.open(content, runtime)


class TestDetails:
    """What a model may have as input and output, by the details a runtime would give."""

    @staticmethod
    def native(*, dtype: type = np.int8, scales: tuple[float, ...] = (0.5,), count: int = 1) -> Any:
        detail = {
            "shape": np.array([1, 8]),
            "dtype": dtype,
            "index": 0,
            "quantization_parameters": {"scales": np.array(scales), "zero_points": np.array([3] * len(scales))},
        }
        return SimpleNamespace(get_input_details=lambda: [detail] * count, get_output_details=lambda: [detail])

    def test_float_has_no_scale(self) -> None:
        opened = interpreter.Interpreter("litert", self.native(dtype=np.float32, scales=()))
        assert (opened.input.scale, opened.input.zero_point) == (0, 0)

    def test_int8_has_its_own(self) -> None:
        opened = interpreter.Interpreter("litert", self.native())
        assert (opened.input.scale, opened.input.zero_point) == (0.5, 3)

    @pytest.mark.parametrize(
        "kind",
        [
            {"dtype": np.uint8},
            {"dtype": np.int16},
            {"scales": ()},
            {"scales": (0.5, 0.25)},
            {"scales": (0.0,)},
            {"scales": (float("nan"),)},
        ],
    )
    def test_other_kinds_are_refused(self, kind: dict[str, Any]) -> None:
        with pytest.raises(ModelError, match="expected an input of float32, or int8 with one scale, got"):
            interpreter.Interpreter("litert", self.native(**kind))

    def test_several_inputs_are_refused(self) -> None:
        with pytest.raises(ModelError, match="expected a model with one input, got 2"):
            interpreter.Interpreter("litert", self.native(count=2))


@pytest.mark.data
@pytest.mark.skipif(
    len(WORKING) < 2, reason=f"needs litert and tflite-runtime with NumPy 1, has {', '.join(WORKING) or 'neither'}"
)
def test_both_runtimes_agree_on_100_images(data_folder: Path) -> None:
    """Bit for bit with LiteRT's own int8 kernels; with XNNPACK's, its default, as far as any int8 network can.

    TFLite rounds a sum twice on its way to int8, XNNPACK once, so up to 1.3 % of a layer's values are one step apart,
    and each step flips the rounding of others further on. One step in 0.3 % of the input does about the same to the
    answer of one runtime alone.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    from edge_mdda import image
    from tools import dataset

    by_default, small = (interpreter.open(BUNDLE.model, runtime) for runtime in interpreter.RUNTIMES)
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    native = Interpreter(model_content=BUNDLE.model, experimental_op_resolver_type=plain, num_threads=1)
    native.allocate_tensors()
    own = interpreter.Interpreter("litert", native)
    assert by_default.input == small.input == own.input
    assert by_default.output == small.output == own.output
    samples = dataset.select(dataset.read(data_folder), "val")[:100]
    assert len(samples) == 100
    random = np.random.default_rng(0)
    between_runtimes, from_the_input, same_top = [], [], 0
    for sample in samples:
        pixels = image.fit(image.decode(sample.path.read_bytes()), BUNDLE.height, BUNDLE.width)
        values = np.rint(pixels / 255 / small.input.scale) + small.input.zero_point
        tensor = np.clip(values, -128, 127).astype(np.int8)[np.newaxis]
        expected = small.run(tensor)
        assert np.array_equal(own.run(tensor), expected)
        answered = by_default.run(tensor).astype(int)
        nudged = np.where(random.random(tensor.shape) < 0.003, np.clip(tensor, -128, 126) + 1, tensor).astype(np.int8)
        between_runtimes.append(np.abs(answered - expected))
        from_the_input.append(np.abs(answered - by_default.run(nudged)))
        same_top += answered.argmax() == expected.argmax()
    assert np.mean(between_runtimes) < 1  # step of the logits
    assert np.mean(between_runtimes) < 1.25 * np.mean(from_the_input)
    assert same_top >= 98
