"""What onnxruntime tells of processors and of the nodes that they run; here, of the CPU."""

import platform
from functools import cache

from . import _attune
from .devices import CPU_MEMORY, OrtMemoryInfo
from .enums import OrtDeviceMemoryType, OrtHardwareDeviceType
from .providers import CPU

_VENDOR_IDS = {"Intel": 0x8086, "AMD": 0x1022}


class OrtHardwareDevice:
    """A processor."""

    def __init__(self) -> None:
        processor = platform.processor() or platform.machine()
        self.type = OrtHardwareDeviceType.CPU
        self.vendor = next((vendor for vendor in _VENDOR_IDS if vendor.lower() in processor.lower()), "")
        self.vendor_id = _VENDOR_IDS.get(self.vendor, 0)
        self.device_id = 0
        self.metadata: dict[str, str] = {}


class OrtEpDevice:
    """A processor as a provider uses it."""

    def __init__(self) -> None:
        self.ep_name = CPU
        self.ep_vendor = "Attune"
        self.ep_metadata = {"version": _attune.__version__}
        self.ep_options: dict[str, str] = {}
        self.device = OrtHardwareDevice()

    def memory_info(self, memory_type: OrtDeviceMemoryType = OrtDeviceMemoryType.DEFAULT) -> OrtMemoryInfo:
        """The CPU's memory."""
        return CPU_MEMORY


@cache
def _cpu() -> OrtEpDevice:
    return OrtEpDevice()


def get_ep_devices() -> list[OrtEpDevice]:
    """The processors that a session may use: the CPU."""
    return [_cpu()]


class OrtEpAssignedNode:
    """A node of the model."""

    def __init__(self, node: _attune.NodeDescription) -> None:
        self.name = node.name
        self.op_type = node.op_type
        self.domain = node.domain


class OrtEpAssignedSubgraph:
    """Nodes that a provider runs."""

    def __init__(self, ep_name: str, node: _attune.NodeDescription) -> None:
        self.ep_name = ep_name
        self._nodes = [OrtEpAssignedNode(node)]

    def get_nodes(self) -> list[OrtEpAssignedNode]:
        """The nodes."""
        return list(self._nodes)
