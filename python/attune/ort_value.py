"""OrtValue: a tensor that outlives the run it comes from or goes into."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from . import _attune
from .devices import OrtDevice, OrtMemoryInfo, check_device
from .element_types import onnx_number
from .sparse import SparseTensor


class OrtValue:
    """A tensor in the CPU's memory, a sequence of them, an empty optional, or a sparse tensor; runs give maps and
    sequences of maps too. Make one with the class's functions."""

    def __init__(self, ortvalue: "_attune.Tensor | SparseTensor | OrtValue", numpy_obj: Any = None) -> None:
        self._sparse = ortvalue if isinstance(ortvalue, SparseTensor) else None
        if isinstance(ortvalue, OrtValue):
            ortvalue = ortvalue._ortvalue_tensor()
        if self._sparse is None and not isinstance(ortvalue, _attune.Tensor):
            raise ValueError(f"OrtValue takes a tensor, not {ortvalue!r}: see OrtValue.ortvalue_from_numpy")
        self._tensor = ortvalue if isinstance(ortvalue, _attune.Tensor) else None

    @classmethod
    def ortvalue_from_numpy(
        cls,
        numpy_obj: Any,
        /,
        device_type: "str | OrtDevice" = "cpu",
        device_id: int = 0,
        vendor_id: int = -1,
    ) -> "OrtValue":
        """A tensor over the array's memory, which both then share; strings, and arrays that are not contiguous, are
        copied."""
        check_device(device_type, device_id, vendor_id)
        return cls(_attune.Tensor.from_array(numpy_obj, 0))

    @classmethod
    def ortvalue_from_numpy_with_onnx_type(cls, data: Any, /, onnx_element_type: int) -> "OrtValue":
        """The same for a type that NumPy has not, such as bfloat16, whose bits are the array's: `onnx_element_type` is
        a number of onnx.TensorProto.DataType, of the size of the array's elements."""
        return cls(_attune.Tensor.from_array(data, onnx_element_type))

    @classmethod
    def ortvalue_from_shape_and_type(
        cls,
        shape: Sequence[int],
        element_type: Any,
        device_type: "str | OrtDevice" = "cpu",
        device_id: int = 0,
        vendor_id: int = -1,
        memory_info: OrtMemoryInfo | None = None,
    ) -> "OrtValue":
        """A tensor in memory of its own, of any contents. `element_type` is a NumPy type or a number of
        onnx.TensorProto.DataType."""
        if memory_info is None:
            check_device(device_type, device_id, vendor_id)
        return cls(_attune.Tensor.allocate(list(shape), onnx_number(element_type)))

    ortvalue_from_shape_and_onnx_type = ortvalue_from_shape_and_type

    @classmethod
    def ortvalue_from_sequence(cls, values: "Iterable[OrtValue]") -> "OrtValue":
        """A sequence that shares the tensors of the values."""
        return cls(_attune.Tensor.sequence([value._ortvalue_tensor() for value in values]))

    @classmethod
    def ort_value_from_sparse_tensor(cls, sparse_tensor: SparseTensor) -> "OrtValue":
        """Holds the sparse tensor."""
        return cls(sparse_tensor)

    @classmethod
    def from_dlpack(cls, data: Any, is_bool_tensor: bool | None = None, /) -> "OrtValue":
        """A tensor over the memory of anything with `__dlpack__`, or of a capsule that it gave. With `is_bool_tensor`
        bytes are taken for bools, which old producers write so."""
        tensor = _attune.Tensor.from_dlpack(data)
        if is_bool_tensor and tensor.element_type() == 2:
            tensor = _attune.Tensor.from_array(tensor.numpy().view(np.bool_), 0)
        return cls(tensor)

    def _ortvalue_tensor(self) -> _attune.Tensor:
        if self._tensor is None:
            raise RuntimeError("This OrtValue does not contain a tensor. Check data_type() value.")
        return self._tensor

    def as_sparse_tensor(self) -> SparseTensor:
        """The sparse tensor that it holds."""
        if self._sparse is None:
            raise RuntimeError("This OrtValue does not contain SparseTensor. Check data_type() value.")
        return self._sparse

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self._ortvalue_tensor().data_ptr()

    def device_name(self) -> str:
        """ "cpu"."""
        return "cpu"

    def shape(self) -> list[int]:
        """The dimensions."""
        return self._sparse.dense_shape() if self._sparse is not None else self._ortvalue_tensor().shape()

    def data_type(self) -> str:
        """For example "tensor(float)"."""
        return self._sparse.data_type() if self._sparse is not None else self._ortvalue_tensor().data_type()

    def element_type(self) -> int:
        """The number of onnx.TensorProto.DataType."""
        return self._ortvalue_tensor().element_type()

    def tensor_size_in_bytes(self) -> int:
        """The bytes of all elements; strings have none."""
        return self._ortvalue_tensor().size_in_bytes()

    def has_value(self) -> bool:
        """False for an empty optional."""
        return self._tensor is None or self._tensor.has_value()

    def is_tensor(self) -> bool:
        """True unless it is sparse, a sequence, a map or an empty optional."""
        tensor = self._tensor
        return tensor is not None and tensor.has_value() and not (tensor.is_sequence() or tensor.is_map())

    def is_sparse_tensor(self) -> bool:
        """True when it holds a sparse tensor."""
        return self._sparse is not None

    def is_tensor_sequence(self) -> bool:
        """True when it holds a sequence, but of maps."""
        tensor = self._tensor
        return tensor is not None and tensor.is_sequence() and not any(item.is_map() for item in tensor.elements())

    def to_list(self) -> "list[OrtValue]":
        """The tensors of a sequence, which it shares."""
        return [OrtValue(element) for element in self._ortvalue_tensor().elements()]

    def numpy(self) -> "np.ndarray[Any, Any]":
        """An array over the tensor's memory; RuntimeError for a type that NumPy has not."""
        tensor = self._ortvalue_tensor()
        if tensor.element_type() == 16:
            raise RuntimeError("No corresponding Numpy type for Tensor Type. bfloat16")
        return tensor.numpy()

    def update_inplace(self, data: Any) -> None:
        """Copies an array's or another OrtValue's elements into this one's memory."""
        if isinstance(data, OrtValue):
            data = data.numpy()
        if not isinstance(data, np.ndarray):
            raise TypeError("data must be a numpy.ndarray or an OrtValue.")
        target = self.numpy()
        if data.size != target.size:
            raise RuntimeError("The input size of numpy arrays does not match the size of the OrtValue.")
        np.copyto(target.reshape(-1), data.reshape(-1), casting="unsafe")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> "np.ndarray[Any, Any]":
        array = self.numpy()
        if copy:
            return np.array(array, dtype=dtype)
        return array if dtype is None else np.asarray(array, dtype=dtype)

    def to_dlpack(self) -> Any:
        """A DLPack capsule over the tensor's memory, which it keeps alive."""
        return self._ortvalue_tensor().dlpack()

    def __dlpack__(self, *, stream: Any = None, **_: Any) -> Any:
        return self.to_dlpack()

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    # onnxruntime wraps an inner object, which programs reach for.
    @property
    def _ortvalue(self) -> "OrtValue":
        return self

    def _get_c_value(self) -> "OrtValue":
        return self


class OrtValueVector(list[OrtValue]):
    """A list of OrtValue with onnxruntime's names for what lists do."""

    def push_back(self, value: OrtValue) -> None:
        """Appends."""
        self.append(value)

    def push_back_batch(self, tensors: Iterable[Any], *_: Any) -> None:
        """Appends a tensor for each object with `__dlpack__`."""
        self.extend(OrtValue.from_dlpack(tensor) for tensor in tensors)

    def reserve(self, count: int) -> None:
        """Accepted for compatibility."""

    def shrink_to_fit(self) -> None:
        """Accepted for compatibility."""

    def dlpack_at(self, index: int) -> Any:
        """The DLPack capsule of one value."""
        return self[index].to_dlpack()

    def element_type_at(self, index: int) -> int:
        """The element type of one value."""
        return self[index].element_type()

    def to_dlpacks(self, to_tensor: Any = None) -> list[Any]:
        """The DLPack capsules of all values, through `to_tensor` when it is given."""
        capsules = [value.to_dlpack() for value in self]
        return capsules if to_tensor is None else [to_tensor(capsule) for capsule in capsules]


def copy_tensors(source: Sequence[OrtValue], target: Sequence[OrtValue], stream: Any = None) -> None:
    """Copies each value's elements into its counterpart's memory."""
    if len(source) != len(target):
        raise ValueError(f"copy_tensors takes as many targets as sources, not {len(source)} and {len(target)}")
    for value, place in zip(source, target, strict=True):
        place.update_inplace(value)
