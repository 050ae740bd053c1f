"""Collects reward terms, pure functions over a task's state, by name; a config weighs them.

A term calls nothing but its state's namespace and the arrays' operators, so the same function runs
on NumPy arrays and on those of any library that follows the array API standard.
"""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, Generic, Protocol, TypeVar

from edge_runtime.errors import UserError, suggestion
from edge_runtime.signals import Bool, Float

S = TypeVar("S")


class Namespace(Protocol):
    """Offers the functions of an array library that reward terms may call; `numpy` is one.

    All are of the array API standard (2024.12) but `einsum`, which every library has alike: it
    sums products without an array in between. `array_api_compat` gives such a namespace to
    libraries whose own differs, `array_api_compat.torch` to PyTorch.
    """

    def abs(self, x: Float, /) -> Float: ...
    def clip(self, x: Float, low: float, high: float, /) -> Float: ...
    def einsum(self, subscripts: str, /, *operands: Any) -> Float: ...
    def exp(self, x: Float, /) -> Float: ...
    def maximum(self, x: Float, y: Float | float, /) -> Float: ...
    def ones_like(self, x: Float, /) -> Float: ...
    def sqrt(self, x: Float, /) -> Float: ...
    def sum(self, x: Any, /, *, axis: int) -> Float: ...
    def where(self, condition: Bool, x: Any, y: Any, /) -> Float: ...


class RewardTerms(Generic[S]):
    """Keeps the reward terms of a task by name; an instance is the decorator that registers one.

    A term takes the task's state of type S and returns one value per simulation, (N,).
    """

    def __init__(self) -> None:
        self.functions: dict[str, Callable[[S], Float]] = {}

    def __call__(self, function: Callable[[S], Float]) -> Callable[[S], Float]:
        """Registers a term under its function's name.

        Raises:
            UserError: a function of another module has the name, which that one's tasks weigh.
        """
        name, module = function.__name__, function.__module__
        before = self.functions.get(name, function).__module__
        if before != module:
            raise UserError(
                f"reward term '{name}' of {module} has the name of one of {before}; "
                "give the function another name, and weigh it by that"
            )
        self.functions[name] = function
        return function

    def weighted(self, weights: Any, state: S, period: float) -> dict[str, Float]:
        """Returns every term of a weights dataclass, times its weight and the control period.

        Args:
            weights: a field of it names a term; a weight of 0 leaves the term out.
            state: what the terms read.
            period: s, of control.

        Returns:
            (N,) for each term.

        Raises:
            UserError: a field names no term.
        """
        terms = {}
        for field in fields(weights):
            weight = getattr(weights, field.name)
            if weight:
                terms[field.name] = weight * period * self._find(field.name, weights)(state)
        return terms

    def _find(self, name: str, weights: Any) -> Callable[[S], Float]:
        if name not in self.functions:
            raise UserError(
                f"{type(weights).__name__}.{name} weighs no reward term; "
                f"{suggestion(name, self.functions)}"
            )
        return self.functions[name]
