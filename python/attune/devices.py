"""Devices and memory as onnxruntime describes them. Attune has one device, the CPU: these classes say so."""

import enum
from typing import Any, ClassVar

from .enums import OrtAllocatorType, OrtDeviceMemoryType, OrtMemoryInfoDeviceType, OrtMemType

_ABSENT = (
    "Can't allocate memory on the device using this package of Attune: it has one device, the CPU. "
    "Move the data to the CPU first."
)


class OrtDeviceVendorId(enum.IntEnum):
    """PCI vendor ids."""

    NONE = 0x0000
    AMD = 0x1002
    NVIDIA = 0x10DE
    ARM = 0x13B5
    MICROSOFT = 0x1414
    HUAWEI = 0x19E5
    QUALCOMM = 0x5143
    INTEL = 0x8086


# Name, type and vendor.
_KINDS = {
    "cpu": (0, OrtDeviceVendorId.NONE),
    "cuda": (1, OrtDeviceVendorId.NVIDIA),
    "cann": (3, OrtDeviceVendorId.HUAWEI),
    "dml": (4, OrtDeviceVendorId.MICROSOFT),
    "webgpu": (1, OrtDeviceVendorId.NONE),
    "gpu": (1, OrtDeviceVendorId.NONE),
    "npu": (3, OrtDeviceVendorId.NONE),
}


class OrtDevice:
    """A device: its type, number, kind of memory and vendor."""

    def __init__(self, device_type: int, mem_type: int, *vendor_and_device_id: int) -> None:
        self._type = device_type
        self._mem_type = mem_type
        self._vendor_id, self._id = (0, *vendor_and_device_id)[-2:]

    @staticmethod
    def make(ort_device_name: str, device_id: int, vendor_id: int = -1) -> "OrtDevice":
        """The device that is called "cpu", "cuda", "gpu" and so on."""
        if ort_device_name not in _KINDS:
            raise Exception("Unsupported device type: " + ort_device_name)
        kind, vendor = _KINDS[ort_device_name]
        return OrtDevice(kind, OrtDevice.default_memory(), vendor if vendor_id < 0 else vendor_id, device_id)

    def device_id(self) -> int:
        return self._id

    def device_type(self) -> int:
        return self._type

    def device_vendor_id(self) -> int:
        return self._vendor_id

    def device_mem_type(self) -> int:
        return self._mem_type

    mem_type = device_mem_type
    vendor_id = device_vendor_id

    def _get_c_device(self) -> "OrtDevice":
        return self

    @staticmethod
    def cpu() -> int:
        return 0

    @staticmethod
    def cuda() -> int:
        return 1

    gpu = webgpu = cuda

    @staticmethod
    def fpga() -> int:
        return 2

    @staticmethod
    def npu() -> int:
        return 3

    cann = npu

    @staticmethod
    def dml() -> int:
        return 4

    @staticmethod
    def default_memory() -> int:
        return 0


def check_device(device_type: "str | OrtDevice", device_id: int = 0, vendor_id: int = -1) -> None:
    """Raises RuntimeError unless it is the CPU."""
    device = device_type if isinstance(device_type, OrtDevice) else OrtDevice.make(device_type, device_id, vendor_id)
    if device.device_type() != OrtDevice.cpu():
        raise RuntimeError(_ABSENT)


class OrtMemoryInfo:
    """Where an allocator's memory is."""

    def __init__(self, name: str, allocator_type: OrtAllocatorType, device_id: int, mem_type: OrtMemType) -> None:
        if name not in ("Cpu", "Cuda", "CudaPinned", "DML", "OpenVINO_CPU", "HIP"):
            raise RuntimeError("Specified device is not supported. Try CreateMemoryInfo_V2.")
        self.name = name
        self.allocator_type = allocator_type
        self.device_id = device_id
        self.mem_type = mem_type
        self.device_mem_type = OrtDeviceMemoryType.DEFAULT
        self.device_vendor_id = 0

    @staticmethod
    def create_v2(
        name: str,
        device_type: OrtMemoryInfoDeviceType,
        vendor_id: int,
        device_id: int,
        device_mem_type: OrtDeviceMemoryType,
        alignment: int,
        allocator_type: OrtAllocatorType,
    ) -> "OrtMemoryInfo":
        """The same for any name."""
        info = OrtMemoryInfo("Cpu", allocator_type, device_id, OrtMemType.DEFAULT)
        info.name = name
        info.device_mem_type = device_mem_type
        info.device_vendor_id = vendor_id
        return info


CPU_MEMORY = OrtMemoryInfo("Cpu", OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, OrtMemType.DEFAULT)


class OrtArenaCfg:
    """The configuration of onnxruntime's arena: (max_mem, arena_extend_strategy, initial_chunk_size_bytes,
    max_dead_bytes_per_chunk), or a dict with these and two more. Attune plans memory exactly; this is kept and unused.
    """

    _DEFAULTS: ClassVar = {
        "max_mem": 0,
        "arena_extend_strategy": -1,
        "initial_chunk_size_bytes": -1,
        "max_dead_bytes_per_chunk": -1,
        "initial_growth_chunk_size_bytes": -1,
        "max_power_of_two_extend_bytes": -1,
    }

    max_mem: int
    arena_extend_strategy: int
    initial_chunk_size_bytes: int
    max_dead_bytes_per_chunk: int
    initial_growth_chunk_size_bytes: int
    max_power_of_two_extend_bytes: int

    def __init__(self, *values: Any) -> None:
        given = values[0] if len(values) == 1 else dict(zip(self._DEFAULTS, values, strict=False))
        for name in given:
            if name not in self._DEFAULTS:
                raise RuntimeError(f"Invalid OrtArenaCfg option: {name}")
        self.__dict__.update({**self._DEFAULTS, **given})


def create_and_register_allocator(mem_info: OrtMemoryInfo, arena_cfg: OrtArenaCfg | None) -> None:
    """Accepted for compatibility: sessions share no arena, since none holds more than its runs need."""


def create_and_register_allocator_v2(
    provider_type: str, mem_info: OrtMemoryInfo, options: dict[str, str], arena_cfg: OrtArenaCfg | None
) -> None:
    """Accepted for the CPU's provider."""
    if provider_type != "CPUExecutionProvider":
        raise RuntimeError(
            "Error when creating and registering allocator in create_and_register_allocator_v2: "
            f"{provider_type} is not implemented in CreateAndRegisterAllocatorV2()"
        )
