"""Descriptions for the SDL, from the docstrings that stand below the fields of our classes."""

import ast
import inspect
import textwrap
from itertools import pairwise

from strawberry.types import get_object_definition


def describe(cls: type) -> None:
    """Give each field of a GraphQL type the docstring that follows it in the class, or in a base class."""
    definition = get_object_definition(cls, strict=True)
    said = {name: text for base in reversed(cls.__mro__) for name, text in _said(base).items()}
    for field in definition.fields:
        if field.description is None:
            field.description = said.get(field.python_name)


def _said(cls: type) -> dict[str, str]:
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    except (OSError, TypeError):  # a class without source, such as object
        return {}
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
