"""Attune's shape inference beside the onnx package's: what onnx knows of a value, Attune must know.

python tests/conformance/shape_inference.py [MODEL.onnx...]   prints where Attune knows less, of the backend suite's
models when none is given
"""

import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import backend_suite
import numpy as np
import onnx
from onnx import numpy_helper, shape_inference

COMMAND = Path(os.environ.get("ATTUNE_BIN", Path(__file__).parents[2] / "build" / "attune"))
# A name that onnx invents: equal to nothing that the model says.
INVENTED = "unk__"


def without_hints(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model, nothing stated of its results but that they are its outputs."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]
    for output in bare.graph.output:
        kind = output.type.WhichOneof("value")
        if kind == "tensor_type":
            output.type.tensor_type.ClearField("shape")
    return bare


def _dim(dim: onnx.TensorShapeProto.Dimension) -> int | str | None:
    """A number, a name, or None; some models say -1 for what they do not know."""
    if dim.HasField("dim_value"):
        return dim.dim_value if dim.dim_value >= 0 else None
    return dim.dim_param or None


def known_to_onnx(model: onnx.ModelProto) -> dict[str, tuple[int, list[Any] | None]]:
    """Of each tensor that a node gives its element type and its dimensions: numbers, names, or None."""
    inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    results = {name for node in inferred.graph.node for name in node.output}
    known = {}
    for value in (*inferred.graph.value_info, *inferred.graph.output):
        if value.name not in results or value.type.WhichOneof("value") != "tensor_type":
            continue
        tensor = value.type.tensor_type
        dims = None
        if tensor.HasField("shape"):
            dims = [_dim(dim) for dim in tensor.shape.dim]
        known[value.name] = (tensor.elem_type, dims)
    return known


def known_to_attune(path: Path) -> dict[str, tuple[str | None, list[Any] | None]]:
    """The same from `attune inspect --shapes`; folded values are missing."""
    done = subprocess.run([COMMAND, "inspect", path, "--shapes", "--json"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(done.stderr.strip()[-300:])
    return {value["name"]: (value["type"], value["shape"]) for value in json.loads(done.stdout)["values"]}


def _names(model: onnx.ModelProto) -> set[str]:
    """The symbols that one input has: of those with several Attune does not take for granted that they are equal, since
    onnxruntime runs what breaks it."""
    names: Counter[str] = Counter()
    for value in model.graph.input:
        names.update({dim.dim_param for dim in value.type.tensor_type.shape.dim if dim.dim_param})
    return {name for name, inputs in names.items() if inputs == 1}


def _is_less(own: Any, other: Any, symbols: set[str]) -> bool:
    """Whether Attune's dimension says less than onnx's, or something else.

    onnx takes symbols for 0 where it multiplies them. Which of two inputs' equal symbols a result has is all one.
    """
    if own == other or own in symbols:
        return False
    return other in symbols or (isinstance(other, int) and not (other == 0 and symbols))


def losses(name: str, model: onnx.ModelProto, folder: Path) -> list[str]:
    """What onnx knows of the model's values and Attune does not, and where they contradict each other."""
    bare = without_hints(model)
    try:
        wanted = known_to_onnx(bare)
    except Exception:
        return []  # onnx refuses it
    path = folder / f"{name}.onnx"
    path.write_bytes(bare.SerializeToString())
    try:
        known = known_to_attune(path)
    finally:
        path.unlink()
    symbols = _names(bare)
    lost = []
    for value, (elem_type, dims) in wanted.items():
        if value not in known:
            continue
        mine_type, mine = known[value]
        if elem_type and mine_type is None:
            lost.append(f"{value}: the type")
        if dims is None:
            continue
        if mine is None or len(mine) != len(dims):
            lost.append(f"{value}: {mine}, onnx has {dims}")
            continue
        if any(_is_less(own, other, symbols) for own, other in zip(mine, dims, strict=True)):
            lost.append(f"{value}: {mine}, onnx has {dims}")
    return lost


def losses_of_all(models: Iterable[tuple[str, onnx.ModelProto]]) -> dict[str, list[str]]:
    """Of each model its losses, where there are any; a model that Attune refuses is left out."""

    def one(named: tuple[str, onnx.ModelProto]) -> tuple[str, list[str]]:
        try:
            return named[0], losses(*named, Path(folder))
        except ValueError:
            return named[0], []

    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor() as pool:
        return {name: lost for name, lost in pool.map(one, models) if lost}


def with_symbols(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with a name of its own for each dimension of its inputs."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for described in changed.graph.input:
        if described.type.WhichOneof("value") == "tensor_type":
            for axis, dim in enumerate(described.type.tensor_type.shape.dim):
                dim.dim_param = f"{described.name}_{axis}"
    return changed


def with_constants(model: onnx.ModelProto, inputs: Iterable[Any]) -> onnx.ModelProto:
    """The model with its integer inputs of one axis at most as initializers: axes, shapes, counts."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for described, value in list(zip(changed.graph.input, inputs, strict=False)):
        array = np.asarray(value) if isinstance(value, (np.ndarray, np.generic)) else None
        if array is not None and array.ndim <= 1 and array.dtype in (np.int64, np.int32):
            changed.graph.input.remove(described)
            changed.graph.initializer.append(numpy_helper.from_array(array, described.name))
    return changed


def suite_models() -> Iterator[tuple[str, onnx.ModelProto]]:
    """The models of the backend suite that Attune passes, with symbols, and with symbols and constants."""
    passing = backend_suite.checked_in()
    seen = set()
    for case in backend_suite.cases():
        if case.name not in passing or case.model is None:
            continue
        inputs = case.data_sets[0][0] if case.data_sets else []
        for kind, model in (
            ("symbols", with_symbols(case.model)),
            ("constants", with_symbols(with_constants(case.model, inputs))),
        ):
            content = model.graph.SerializeToString(deterministic=True).replace(case.name.encode(), b"")
            if content not in seen:
                seen.add(content)
                yield f"{case.name}_{kind}", model


def main() -> None:
    """The command line."""
    models = [(Path(path).stem, onnx.load(path)) for path in sys.argv[1:]] or suite_models()
    lost = losses_of_all(models)
    for name, values in lost.items():
        print(name, *values, sep="\n  ")
    print(f"{len(lost)} models of whose values onnx knows more")


if __name__ == "__main__":
    main()
