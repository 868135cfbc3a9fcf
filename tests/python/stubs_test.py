"""The type stubs agree with the native module."""

import ast
import inspect
from pathlib import Path
from typing import Any

import attune
from attune import _attune

STUB = Path(inspect.getfile(attune)).with_name("_attune.pyi")


def stated(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    """What a module or a class of the stub declares, by name."""
    names: dict[str, ast.stmt] = {}
    for statement in body:
        if isinstance(statement, (ast.ClassDef, ast.FunctionDef)):
            names[statement.name] = statement
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            names[statement.target.id] = statement
    return names


def defined(thing: Any) -> set[str]:
    return {name for name in vars(thing) if not name.startswith("_")}


def test_the_stub_declares_what_the_module_has_and_no_more() -> None:
    stub = stated(ast.parse(STUB.read_text()).body)
    assert set(stub) - {"__version__"} == defined(_attune)
    for name, declaration in stub.items():
        if not isinstance(declaration, ast.ClassDef):
            continue
        real = getattr(_attune, name)
        if issubclass(real, Exception):
            assert [ast.unparse(base) for base in declaration.bases] == ["Exception"]
            continue
        assert set(stated(declaration.body)) - {"__init__"} == defined(real), name


def test_the_stubs_functions_take_what_the_modules_do() -> None:
    """nanobind writes each function's signature into its docstring."""
    checked = 0
    for name, declaration in stated(ast.parse(STUB.read_text()).body).items():
        functions = {name: declaration}
        if isinstance(declaration, ast.ClassDef):
            functions = {f"{name}.{inner}": node for inner, node in stated(declaration.body).items()}
        for path, function in functions.items():
            if not isinstance(function, ast.FunctionDef) or function.name == "__init__":
                continue
            real: Any = _attune
            for part in path.split("."):
                real = vars(real)[part] if isinstance(real, type) else getattr(real, part)
            if isinstance(real, property):
                assert [ast.unparse(d) for d in function.decorator_list] == ["property"], path
                continue
            ((signature, *_),) = real.__nb_signature__
            arguments = signature[signature.index("(") + 1 : signature.rindex(")")].replace("\\", "")
            count = len(ast.parse(f"def f({arguments}): ...").body[0].args.posonlyargs)  # type: ignore[attr-defined]
            count += len(ast.parse(f"def f({arguments}): ...").body[0].args.args)  # type: ignore[attr-defined]
            assert count == len(function.args.posonlyargs) + len(function.args.args), path
            checked += 1
    assert checked > 20


def test_options_have_types() -> None:
    source = inspect.getsource(attune.options)
    for row in _attune.option_table():
        kind = {"enum": "", "bool": "bool", "int": "int", "str": "str"}[row["type"]]
        assert f"        {row['name']}: {kind}" in source


def test_the_package_is_typed() -> None:
    assert STUB.with_name("py.typed").exists()
