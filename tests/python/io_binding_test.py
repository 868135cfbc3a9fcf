"""IOBinding: tensors that stay bound from run to run."""

import attune
import numpy as np
import pytest
import tiny

X = np.ones((4, 3), np.float32)
Y = X @ np.arange(1, 7, dtype=np.float32).reshape(3, 2)


@pytest.fixture
def session() -> attune.InferenceSession:
    return attune.InferenceSession(tiny.matmul())


def test_fresh_outputs(session: attune.InferenceSession) -> None:
    binding = session.io_binding()
    binding.bind_cpu_input("X", X)
    binding.bind_output("Y")
    session.run_with_iobinding(binding)
    np.testing.assert_array_equal(binding.copy_outputs_to_cpu()[0], Y)
    first = binding.get_outputs()[0]
    session.run_with_iobinding(binding)
    assert binding.get_outputs()[0].data_ptr() != first.data_ptr()
    np.testing.assert_array_equal(first.numpy(), Y)


def test_addresses(session: attune.InferenceSession) -> None:
    target = np.zeros((4, 2), np.float32)
    binding = session.io_binding()
    binding.bind_input("X", "cpu", 0, np.float32, X.shape, X.ctypes.data)
    binding.bind_output("Y", "cpu", 0, 1, target.shape, target.ctypes.data)
    session.run_with_iobinding(binding)
    np.testing.assert_array_equal(target, Y)
    target[:] = 0
    session.run_with_iobinding(binding)
    np.testing.assert_array_equal(target, Y)


def test_ort_values_are_written_in_place(session: attune.InferenceSession) -> None:
    x = attune.OrtValue.ortvalue_from_numpy(X.copy())
    y = attune.OrtValue.ortvalue_from_shape_and_type([4, 2], np.float32)
    binding = session.io_binding()
    binding.bind_ortvalue_input("X", x)
    binding.bind_ortvalue_output("Y", y)
    session.run_with_iobinding(binding)
    assert binding.get_outputs()[0].data_ptr() == y.data_ptr()
    np.testing.assert_array_equal(y.numpy(), Y)
    x.update_inplace(2 * X)
    session.run_with_iobinding(binding)
    np.testing.assert_array_equal(y.numpy(), 2 * Y)


def test_clearing(session: attune.InferenceSession) -> None:
    binding = session.io_binding()
    binding.bind_cpu_input("X", X)
    binding.bind_output("Y")
    session.run_with_iobinding(binding)
    binding.clear_binding_inputs()
    with pytest.raises(RuntimeError, match="Error in execution: Missing Input: X"):
        session.run_with_iobinding(binding)
    binding.clear_binding_outputs()
    assert binding.get_outputs() == []
    with pytest.raises(RuntimeError, match="At least one output should be requested"):
        session.run_with_iobinding(binding)


def test_mistakes_are_named(session: attune.InferenceSession) -> None:
    binding = session.io_binding()
    with pytest.raises(RuntimeError, match="Failed to find NodeArg with name: Q in the def list"):
        binding.bind_cpu_input("Q", X)
    with pytest.raises(RuntimeError, match="Unable to create OrtValue from the given python object"):
        binding.bind_cpu_input("X", [[1.0]])
    with pytest.raises(ValueError, match="`element_type` and `shape` are to be provided"):
        binding.bind_output("Y", buffer_ptr=64)
    with pytest.raises(RuntimeError, match="Can't allocate memory on the device"):
        binding.bind_output("Y", "cuda")
    binding.bind_cpu_input("X", X)
    binding.bind_ortvalue_output("Y", attune.OrtValue.ortvalue_from_shape_and_type([4, 3], np.float32))
    with pytest.raises(RuntimeError, match="Error in execution: Got invalid dimensions for output: Y"):
        session.run_with_iobinding(binding)
    binding.bind_ortvalue_output("Y", attune.OrtValue.ortvalue_from_shape_and_type([4, 2], np.float64))
    with pytest.raises(RuntimeError, match="Error in execution: Unexpected output data type"):
        session.run_with_iobinding(binding)
    with pytest.raises(ValueError, match="must be used with the session that created it"):
        attune.InferenceSession(tiny.matmul()).run_with_iobinding(binding)


def test_the_inner_form_takes_devices(session: attune.InferenceSession) -> None:
    target = np.zeros((4, 2), np.float32)
    device = attune.OrtDevice(attune.OrtDevice.cpu(), attune.OrtDevice.default_memory(), 0)
    binding = attune.SessionIOBinding(session._sess)
    binding.bind_input("X", device, np.float32, X.shape, X.ctypes.data)
    binding.bind_output("Y", device, np.float32, target.shape, target.ctypes.data)
    session._sess.run_with_iobinding(binding, None)
    np.testing.assert_array_equal(target, Y)
