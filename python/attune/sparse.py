"""Sparse tensors: kept and described; no operator takes one."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .devices import OrtDevice
from .element_types import DTYPE_OF_TYPE, onnx_number
from .enums import OrtSparseFormat

_NAMES = {onnx_number(dtype): kind.removeprefix("tensor") for kind, dtype in DTYPE_OF_TYPE.items()}


def _frozen(array: Any) -> "np.ndarray[Any, Any]":
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


class SparseCooView:
    """Coordinates of a COO tensor."""

    def __init__(self, indices: Any) -> None:
        self._indices = _frozen(indices)

    def indices(self) -> "np.ndarray[Any, Any]":
        return self._indices


class SparseBlockSparseView(SparseCooView):
    """Coordinates of a tensor of blocks."""


class SparseCsrView:
    """Columns, and where rows begin, of a CSR tensor."""

    def __init__(self, inner: Any, outer: Any) -> None:
        self._inner = _frozen(inner)
        self._outer = _frozen(outer)

    def inner(self) -> "np.ndarray[Any, Any]":
        return self._inner

    def outer(self) -> "np.ndarray[Any, Any]":
        return self._outer


class SparseTensor:
    """A sparse tensor over the memory of NumPy arrays."""

    def __init__(self, layout: OrtSparseFormat, dense_shape: Sequence[int], values: Any, view: Any) -> None:
        self._format = layout
        self._shape = [int(dim) for dim in dense_shape]
        values = np.asarray(values)
        self._values = values.astype(object) if values.dtype.kind in "USO" else _frozen(values)
        self._view = view

    @classmethod
    def sparse_coo_from_numpy(
        cls, dense_shape: Sequence[int], values: Any, coo_indices: Any, ort_device: OrtDevice
    ) -> "SparseTensor":
        """From values and their linear indices, or pairs of indices."""
        count = np.size(values)
        if np.size(coo_indices) not in (count, 2 * count):
            raise RuntimeError(f"{count} values need {count} or {2 * count} indices, not {np.size(coo_indices)}")
        return cls(OrtSparseFormat.ORT_SPARSE_COO, dense_shape, values, SparseCooView(coo_indices))

    @classmethod
    def sparse_csr_from_numpy(
        cls, dense_shape: Sequence[int], values: Any, inner_indices: Any, outer_indices: Any, ort_device: OrtDevice
    ) -> "SparseTensor":
        """From values, their columns, and where in both each row begins."""
        if np.size(inner_indices) != np.size(values) or np.size(outer_indices) != dense_shape[0] + 1:
            raise RuntimeError(
                "A CSR tensor needs a column for each value and, for each row and one more, a beginning."
            )
        return cls(OrtSparseFormat.ORT_SPARSE_CSRC, dense_shape, values, SparseCsrView(inner_indices, outer_indices))

    @classmethod
    def blocksparse_from_numpy(
        cls, dense_shape: Sequence[int], values: Any, indices: Any, ort_device: OrtDevice
    ) -> "SparseTensor":
        """From blocks of values and their coordinates."""
        return cls(OrtSparseFormat.ORT_SPARSE_BLOCK_SPARSE, dense_shape, values, SparseBlockSparseView(indices))

    def values(self) -> "np.ndarray[Any, Any]":
        """The values, read-only; strings as objects."""
        return self._values

    def _view_of(self, layout: OrtSparseFormat, name: str) -> Any:
        if self._format != layout:
            raise RuntimeError(f"This sparse tensor does not contain {name} format")
        return self._view

    def as_coo_view(self) -> SparseCooView:
        """The coordinates of a COO tensor; RuntimeError for another."""
        view: SparseCooView = self._view_of(OrtSparseFormat.ORT_SPARSE_COO, "COO")
        return view

    def as_csrc_view(self) -> SparseCsrView:
        """Columns and rows of a CSR tensor; RuntimeError for another."""
        view: SparseCsrView = self._view_of(OrtSparseFormat.ORT_SPARSE_CSRC, "CSR(C)")
        return view

    def as_blocksparse_view(self) -> SparseBlockSparseView:
        """The coordinates of blocks; RuntimeError for another tensor."""
        view: SparseBlockSparseView = self._view_of(OrtSparseFormat.ORT_SPARSE_BLOCK_SPARSE, "BlockSparse")
        return view

    get_coo_data = as_coo_view
    get_csrc_data = as_csrc_view
    get_blocksparse_data = as_blocksparse_view

    def to_cuda(self, ort_device: OrtDevice) -> "SparseTensor":
        """RuntimeError: there is no such device."""
        raise RuntimeError("Cuda is not available in this build")

    def format(self) -> OrtSparseFormat:
        """How it is written down."""
        return self._format

    def dense_shape(self) -> list[int]:
        """The shape with all the zeros."""
        return list(self._shape)

    def data_type(self) -> str:
        """For example "sparse_tensor(float)"."""
        return f"sparse_tensor{_NAMES[onnx_number(self._values.dtype)]}"

    def device_name(self) -> str:
        """ "cpu"."""
        return "cpu"
