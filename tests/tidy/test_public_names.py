"""Goal: what users see is what `__all__` says, and each is explained. Method: compare the module with its source."""

from __future__ import annotations

import ast
from types import FunctionType, ModuleType

import holdfast


def _documented_constants(modules: dict[str, ast.Module]) -> set[str]:
    """Return the names that are assigned in some module with a string below the assignment."""
    names: set[str] = set()
    for module in modules.values():
        for node, below in zip(module.body, module.body[1:], strict=False):
            is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
            if is_text and isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def test_there_are_public_names_and_they_are_sorted() -> None:
    assert list(holdfast.__all__) == sorted(set(holdfast.__all__))
    assert "connect" in holdfast.__all__


def test_all_and_the_module_name_the_same_things() -> None:
    """A room of the house becomes an attribute as soon as it is imported, so it counts only if `__all__` names it."""
    for name in holdfast.__all__:
        getattr(holdfast, name)  # it exists, or this raises; a lazy one is loaded
    public = {name for name in dir(holdfast) if not name.startswith("_")}
    rooms = {name for name in public if isinstance(getattr(holdfast, name), ModuleType)}
    named = {name for name in holdfast.__all__ if not name.startswith("_")}
    assert public - (rooms - named) == named


def test_every_public_name_has_a_docstring(modules: dict[str, ast.Module]) -> None:
    """Classes carry their own, not a parent's nor the signature that a dataclass gets; constants one below them."""
    constants = _documented_constants(modules)
    silent: list[str] = []
    for name in holdfast.__all__:
        value = getattr(holdfast, name)
        if isinstance(value, type | FunctionType | ModuleType):
            text = (value.__doc__ or "").strip()  # of a class: its own or None
            explained = bool(text) and not text.startswith(f"{name}(")
        else:
            explained = name in constants or name == "__version__"
        if not explained:
            silent.append(name)
    assert silent == []
