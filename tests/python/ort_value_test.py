"""OrtValue: memory shared with arrays, and tensors of types that NumPy has not."""

import gc

import attune
import numpy as np
import pytest
from attune.capi.onnxruntime_pybind11_state import InvalidArgument, is_dlpack_uint8_tensor

OrtValue = attune.OrtValue


@pytest.fixture
def array() -> np.ndarray:
    return np.arange(6, dtype=np.float32).reshape(3, 2)


def test_describes_itself(array: np.ndarray) -> None:
    value = OrtValue.ortvalue_from_numpy(array)
    assert value.shape() == [3, 2]
    assert value.data_type() == "tensor(float)"
    assert value.element_type() == 1
    assert value.tensor_size_in_bytes() == 24
    assert value.device_name() == "cpu"
    assert value.has_value()
    assert value.is_tensor()
    assert not value.is_sparse_tensor()
    assert not value.is_tensor_sequence()


def test_shares_the_arrays_memory(array: np.ndarray) -> None:
    value = OrtValue.ortvalue_from_numpy(array)
    assert value.data_ptr() == array.ctypes.data
    array[0, 0] = 7
    value.numpy()[0, 1] = 9
    np.testing.assert_array_equal(value.numpy()[0], [7, 9])
    np.testing.assert_array_equal(array[0], [7, 9])


def test_keeps_the_array_alive() -> None:
    value = OrtValue.ortvalue_from_numpy(np.full((1 << 16,), 3, np.float32))
    view = value.numpy()
    del value
    gc.collect()
    assert (view == 3).all()


def test_copies_what_is_not_contiguous(array: np.ndarray) -> None:
    np.testing.assert_array_equal(OrtValue.ortvalue_from_numpy(array.T).numpy(), array.T)


@pytest.mark.parametrize("element_type", [np.float32, np.dtype("float32"), "float32", 1])
def test_makes_memory_of_its_own(element_type: object) -> None:
    value = OrtValue.ortvalue_from_shape_and_type([2, 3], element_type)
    assert value.data_type() == "tensor(float)"
    assert value.shape() == [2, 3]
    assert value.data_ptr() % 64 == 0


def test_types_that_numpy_has_not() -> None:
    bits = np.array([0x3F80, 0x4000], np.uint16)  # 1, 2
    value = OrtValue.ortvalue_from_numpy_with_onnx_type(bits, 16)
    assert value.data_type() == "tensor(bfloat16)"
    assert value.data_ptr() == bits.ctypes.data
    with pytest.raises(RuntimeError, match=r"No corresponding Numpy type for Tensor Type\. bfloat16"):
        value.numpy()
    again = OrtValue.from_dlpack(value)
    assert again.data_type() == "tensor(bfloat16)"
    assert again.data_ptr() == value.data_ptr()
    with pytest.raises(InvalidArgument, match="are not of the size of bfloat16"):
        OrtValue.ortvalue_from_numpy_with_onnx_type(np.zeros(2), 16)
    with pytest.raises(ValueError, match="tensor type 99 is not supported"):
        OrtValue.ortvalue_from_shape_and_type([2], 99)


def test_update_inplace_writes_into_the_memory(array: np.ndarray) -> None:
    value = OrtValue.ortvalue_from_numpy(array)
    value.update_inplace(np.full((3, 2), 5, np.float32))
    assert (array == 5).all()
    value.update_inplace(OrtValue.ortvalue_from_numpy(np.full((3, 2), 6, np.float32)))
    assert (array == 6).all()
    with pytest.raises(RuntimeError, match="does not match the size of the OrtValue"):
        value.update_inplace(np.zeros((2, 2), np.float32))
    with pytest.raises(TypeError, match=r"data must be a numpy\.ndarray or an OrtValue"):
        value.update_inplace([1])  # type: ignore[arg-type]


def test_dlpack_both_ways(array: np.ndarray) -> None:
    value = OrtValue.ortvalue_from_numpy(array)
    np.testing.assert_array_equal(np.from_dlpack(value), array)
    assert np.from_dlpack(value).ctypes.data == array.ctypes.data
    for source in (array, value, value.to_dlpack(), array.__dlpack__()):
        assert OrtValue.from_dlpack(source).data_ptr() == array.ctypes.data
    assert value.__dlpack_device__() == (1, 0)
    with pytest.raises(InvalidArgument, match="from_dlpack takes a contiguous tensor"):
        OrtValue.from_dlpack(3)


def test_dlpack_keeps_the_memory_alive() -> None:
    capsule = OrtValue.ortvalue_from_numpy(np.full(1 << 16, 4, np.int64)).to_dlpack()
    gc.collect()
    value = OrtValue.from_dlpack(capsule)
    gc.collect()
    assert (value.numpy() == 4).all()


@pytest.mark.parametrize("shape", [(0,), (0, 4), (4, 0), (1, 8, 0, 128), ()])
def test_dlpack_of_shapes_without_elements(shape: tuple[int, ...]) -> None:
    value = OrtValue.from_dlpack(np.zeros(shape, np.float32))
    assert value.shape() == list(shape)
    assert OrtValue.from_dlpack(value.to_dlpack()).shape() == list(shape)


def test_dlpack_of_bools_and_bytes() -> None:
    value = OrtValue.ortvalue_from_numpy(np.array([True, False]))
    assert OrtValue.from_dlpack(value).numpy().dtype == np.bool_
    numbers = OrtValue.ortvalue_from_numpy(np.array([1, 0], np.uint8))
    assert is_dlpack_uint8_tensor(numbers.to_dlpack())
    assert not is_dlpack_uint8_tensor(value.to_dlpack())
    assert OrtValue.from_dlpack(numbers.to_dlpack(), True).numpy().dtype == np.bool_


def test_is_an_array_to_numpy(array: np.ndarray) -> None:
    value = OrtValue.ortvalue_from_numpy(array)
    assert np.asarray(value).ctypes.data == array.ctypes.data
    assert np.asarray(value, dtype=np.float64).dtype == np.float64
    assert np.array(value, copy=True).ctypes.data != array.ctypes.data


def test_other_devices_are_refused(array: np.ndarray) -> None:
    with pytest.raises(RuntimeError, match="Can't allocate memory on the device"):
        OrtValue.ortvalue_from_numpy(array, "cuda", 0)
    with pytest.raises(Exception, match="Unsupported device type: foo"):
        OrtValue.ortvalue_from_numpy(array, "foo", 0)


def test_vectors_of_values(array: np.ndarray) -> None:
    vector = attune.OrtValueVector()
    vector.push_back(OrtValue.ortvalue_from_numpy(array))
    vector.push_back_batch([array])
    assert len(vector) == 2
    assert vector.element_type_at(1) == 1
    assert [OrtValue.from_dlpack(c).shape() for c in vector.to_dlpacks()] == [[3, 2], [3, 2]]


def test_copy_tensors(array: np.ndarray) -> None:
    target = OrtValue.ortvalue_from_shape_and_type([3, 2], np.float32)
    attune.copy_tensors([OrtValue.ortvalue_from_numpy(array)], [target])
    np.testing.assert_array_equal(target.numpy(), array)


def test_sparse_tensors_are_kept() -> None:
    values, indices = np.array([1, 2, 3], np.float32), np.array([3, 5, 15])
    sparse = attune.SparseTensor.sparse_coo_from_numpy([9, 9], values, indices, attune.OrtDevice.make("cpu", 0))
    held = OrtValue.ort_value_from_sparse_tensor(sparse)
    assert held.is_sparse_tensor()
    assert held.data_type() == "sparse_tensor(float)"
    assert held.shape() == [9, 9]
    np.testing.assert_array_equal(held.as_sparse_tensor().as_coo_view().indices(), indices)
    with pytest.raises(RuntimeError, match="does not contain CSR"):
        sparse.as_csrc_view()
    with pytest.raises(RuntimeError, match="does not contain SparseTensor"):
        OrtValue.ortvalue_from_numpy(values).as_sparse_tensor()
