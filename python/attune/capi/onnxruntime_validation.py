"""Where onnxruntime looks at what it is installed on."""

from .. import __version__


def get_package_name_and_version_info() -> tuple[str, str, str]:
    """The package, its version, and that of CUDA, which is none."""
    return "attune", __version__, ""


def check_distro_info() -> None:
    """Accepted for compatibility."""
