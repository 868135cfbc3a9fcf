"""Puts Attune in the place of onnxruntime: what `attune.install_as_onnxruntime` and attune.as_onnxruntime do."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_NAME = "onnxruntime"

#: The version whose API Attune speaks: what a program that asks onnxruntime for its version gets.
API_VERSION = "1.32.0"


class _Facade(types.ModuleType):
    """A package of onnxruntime's: the names of Attune's package, and the folders of the installed one behind them."""

    def __init__(self, name: str, folders: list[str], own: types.ModuleType) -> None:
        super().__init__(name, own.__doc__)
        self.__path__ = folders
        self._own = own

    def __getattr__(self, name: str) -> Any:
        if name == "_own":  # while it is made
            raise AttributeError(name)
        return getattr(self._own, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._own)})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `onnxruntime` and what Attune has of its inner modules in Attune, the rest in the installed onnxruntime."""

    def __init__(self, folders: list[str]) -> None:
        self._folders = {_NAME: folders, f"{_NAME}.capi": [str(Path(folder, "capi")) for folder in folders]}
        # What Attune's own modules say of themselves, which importing them under another name would change.
        self._specs: dict[str, importlib.machinery.ModuleSpec | None] = {}

    @staticmethod
    def _own_name(name: str) -> str:
        return f"{__package__}{name.removeprefix(_NAME)}"

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package = fullname.rpartition(".")[0]
        if fullname in self._folders:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        if package == f"{_NAME}.capi" and importlib.util.find_spec(self._own_name(fullname)) is not None:
            return importlib.machinery.ModuleSpec(fullname, self)
        if package in self._folders:
            return importlib.machinery.PathFinder.find_spec(fullname, self._folders[package])
        return None  # within packages of the installed one, Python finds its way

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        own = importlib.import_module(self._own_name(spec.name))
        if spec.name not in self._folders:
            self._specs[spec.name] = own.__spec__
            return own
        facade = _Facade(spec.name, self._folders[spec.name], own)
        if spec.name == _NAME:
            vars(facade).update(__version__=API_VERSION, get_version_string=lambda: API_VERSION)
        return facade

    def exec_module(self, module: types.ModuleType) -> None:
        name = module.__spec__.name if module.__spec__ is not None else ""
        if name in self._specs:
            module.__spec__ = self._specs.pop(name)


def install_as_onnxruntime() -> None:
    """From now on `import onnxruntime` gives Attune. Raises RuntimeError when onnxruntime itself was imported already;
    does nothing the second time."""
    imported = sys.modules.get(_NAME)
    if isinstance(imported, _Facade):
        return
    if imported is not None:
        raise RuntimeError("onnxruntime was imported already: call install_as_onnxruntime before it is")
    spec = importlib.util.find_spec(_NAME)
    sys.meta_path.insert(0, _Finder(list(spec.submodule_search_locations or []) if spec is not None else []))
    importlib.import_module(_NAME)
