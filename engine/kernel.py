"""Loops compiled to machine code, once for each machine."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Loop = TypeVar("Loop", bound=Callable[..., object])


def kernel(signature: str) -> Callable[[Loop], Loop]:
    """Compiles a function for these types of arguments when its module is imported, or reads what an earlier process compiled.

    It runs without the interpreter's lock, so threads share the work. Where nothing can be kept (no folder that may be
    written; `NUMBA_CACHE_DIR` names one), each process compiles anew.
    """

    def compiled(loop: Loop) -> Loop:
        try:
            made = numba.njit(signature, cache=True, nogil=True, error_model="numpy")(loop)
        except RuntimeError as problem:
            if "locator" not in str(problem):
                raise
            made = numba.njit(signature, nogil=True, error_model="numpy")(loop)
        return cast(Loop, made)

    return compiled
