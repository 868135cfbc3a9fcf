"""onnxruntime's native module, under whose name programs catch exceptions and reach for inner classes."""

from typing import Any

from .. import *  # noqa: F403
from .. import SessionOptions
from .. import __all__ as _public
from .._attune import (
    DeviceReset,
    EngineError,
    EPFail,
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    ModelLoadCanceled,
    ModelLoaded,
    ModelRequiresCompilation,
    NoModel,
    NoSuchFile,
    NotFound,
    NotImplemented,  # noqa: A004
    RuntimeException,
    is_dlpack_uint8,
)
from ..sparse import SparseBlockSparseView, SparseCooView, SparseCsrView

__all__ = [
    *_public,
    "DeviceReset",
    "EPFail",
    "EngineError",
    "Fail",
    "InvalidArgument",
    "InvalidGraph",
    "InvalidProtobuf",
    "ModelLoadCanceled",
    "ModelLoaded",
    "ModelRequiresCompilation",
    "NoModel",
    "NoSuchFile",
    "NotFound",
    "NotImplemented",
    "RuntimeException",
    "SparseBlockSparseView",
    "SparseCooView",
    "SparseCsrView",
    "get_default_session_options",
    "is_dlpack_uint8_tensor",
]


def get_default_session_options() -> SessionOptions:
    """Fresh options."""
    return SessionOptions()


def is_dlpack_uint8_tensor(capsule: Any) -> bool:
    """True for a DLPack capsule of bytes, which old producers write bools as."""
    return is_dlpack_uint8(capsule)
