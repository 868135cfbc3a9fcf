"""IOBinding: inputs and outputs that stay bound from run to run."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _attune
from .devices import OrtDevice, check_device
from .element_types import onnx_number
from .ort_value import OrtValue, OrtValueVector

if TYPE_CHECKING:
    from .options import RunOptions
    from .session import InferenceSession


class IOBinding:
    """Tensors bound to a session's inputs and outputs; `InferenceSession.run_with_iobinding` runs on them.

    An output bound to memory is written there without a copy if the memory begins at a multiple of 64 bytes, as that
    of `OrtValue.ortvalue_from_shape_and_type` does, and is not an input's too. Use it from one thread at a time.
    """

    def __init__(self, session: "InferenceSession") -> None:
        self._session = session
        self._names = {value.name for value in [*session.get_inputs(), *session.get_overridable_initializers()]}
        self._inputs: dict[str, OrtValue] = {}
        self._outputs: dict[str, OrtValue | None] = {}
        self._results: dict[str, OrtValue] = {}

    def _bind(self, name: str, value: OrtValue) -> None:
        if name not in self._names:
            raise RuntimeError(f"Failed to find NodeArg with name: {name} in the def list")
        self._inputs[name] = value

    def bind_cpu_input(self, name: str, arr_on_cpu: Any) -> None:
        """Binds an input to an array, whose memory is read when it runs."""
        if not isinstance(arr_on_cpu, np.ndarray):
            raise RuntimeError("Unable to create OrtValue from the given python object")
        self._bind(name, OrtValue.ortvalue_from_numpy(arr_on_cpu))

    def bind_input(
        self,
        name: str,
        device_type: "str | OrtDevice",
        device_id: int,
        element_type: Any,
        shape: Sequence[int],
        buffer_ptr: int,
    ) -> None:
        """Binds an input to memory at an address, which the caller keeps. `element_type` is a NumPy type or a number of
        onnx.TensorProto.DataType."""
        check_device(device_type, device_id)
        self._bind(name, _tensor_at(shape, element_type, buffer_ptr))

    def bind_ortvalue_input(self, name: str, ortvalue: OrtValue) -> None:
        """Binds an input to an OrtValue."""
        self._bind(name, OrtValue(ortvalue))

    def bind_output(
        self,
        name: str,
        device_type: "str | OrtDevice" = "cpu",
        device_id: int = 0,
        element_type: Any = None,
        shape: Sequence[int] | None = None,
        buffer_ptr: int | None = None,
    ) -> None:
        """Asks for an output: in fresh memory each run or, with `buffer_ptr`, at an address that the caller keeps."""
        check_device(device_type, device_id)
        if buffer_ptr is None:
            self._outputs[name] = None
        elif element_type is None or shape is None:
            raise ValueError("`element_type` and `shape` are to be provided if pre-allocated memory is provided")
        else:
            self._outputs[name] = _tensor_at(shape, element_type, buffer_ptr)

    def bind_ortvalue_output(self, name: str, ortvalue: OrtValue) -> None:
        """Asks for an output in an OrtValue's memory."""
        self._outputs[name] = OrtValue(ortvalue)

    def synchronize_inputs(self) -> None:
        """Accepted for compatibility: the CPU's memory needs no waiting for."""

    def synchronize_outputs(self) -> None:
        """Accepted for compatibility."""

    def get_outputs(self) -> OrtValueVector:
        """The outputs of the last run, in the order in which they were bound."""
        return OrtValueVector(self._results[name] for name in self._outputs if name in self._results)

    get_outputs_as_ortvaluevector = get_outputs

    def copy_outputs_to_cpu(self) -> "list[np.ndarray[Any, Any]]":
        """Copies of the outputs as arrays."""
        return [value.numpy().copy() for value in self.get_outputs()]

    def clear_binding_inputs(self) -> None:
        """Unbinds all inputs."""
        self._inputs.clear()

    def clear_binding_outputs(self) -> None:
        """Unbinds all outputs."""
        self._outputs.clear()
        self._results.clear()

    @property
    def _iobinding(self) -> "IOBinding":
        return self

    def _run(self, session: _attune.Session, run_options: "RunOptions | None") -> None:
        if not self._outputs:
            raise RuntimeError("Error in execution: At least one output should be requested.")
        feed = {name: value._ortvalue_tensor() for name, value in self._inputs.items()}
        targets = [None if value is None else value._ortvalue_tensor() for value in self._outputs.values()]
        options = run_options._options if run_options is not None else None
        results = session.run_into(feed, list(self._outputs), targets, options)
        self._results = {
            name: bound or OrtValue(tensor)
            for (name, bound), tensor in zip(self._outputs.items(), results, strict=True)
        }


def _tensor_at(shape: Sequence[int], element_type: Any, address: int) -> OrtValue:
    return OrtValue(_attune.Tensor.at_address(list(shape), onnx_number(element_type), address))
