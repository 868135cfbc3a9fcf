"""How far from the reference a value may be: what rounding does, measured instead of guessed.

Two correct engines differ by rounding alone, and how much that is depends on the graph: exp() after a large sum makes
much of little. So the reference computes every graph several times more, each time with every operand and result of an
arithmetic operator moved at random by a few units in its last place, which is what another order of summation, another
polynomial or a wider register does. The spread of these shaken values is what rounding does at that place of that graph
(stochastic arithmetic: J. Vignes, 1993). A result is right when it is within a small multiple of the spread.
"""

import numpy as np

from .element_types import HALVES, ROUNDING, is_float

SAMPLES = 4
# Functions such as tanh are within this many units of the true value, in both engines.
UNITS = 4
# What another order of a sum does, is hardly ever more than this many times the spread of the samples.
MULTIPLE = 8
# What is smaller may have become 0: engines flush denormal floats.
FLUSHED = float(np.finfo(np.float32).tiny)


def step(dtype: np.dtype, precision: np.dtype | None = None, units: int = UNITS) -> float:
    """How far arithmetic in the type, or in `precision` if that is coarser, may move a result, relatively."""
    # A half is rounded once, at the end; all before is done in float.
    own = (1 if dtype in HALVES else units) * ROUNDING[dtype]
    return own if precision is None else max(own, units * ROUNDING[precision])


def shake(
    array: np.ndarray,
    rng: np.random.Generator,
    units: int = UNITS,
    precision: np.dtype | None = None,
    cancels: float = 0,
) -> np.ndarray:
    """The array with each number moved up or down by one or two times `units` roundings of its type or a `precision`.

    What is left of numbers as large as `cancels` moves by as much as they do.
    """
    if not is_float(array.dtype):
        return array
    # Different sizes, so that what is moved one way here does not cancel exactly with what is moved the other there.
    moves = (rng.integers(0, 2, array.shape) * 2 - 1) * rng.uniform(1, 2, array.shape)
    wide = array.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        moved = wide + step(array.dtype, precision, units) * moves * np.maximum(np.abs(wide), cancels)
        return np.asarray(moved.astype(array.dtype))


def tolerance(nominal: np.ndarray, shaken: list[np.ndarray], least: np.ndarray | float = 0) -> np.ndarray:
    """For each element how far a correct result may be; NaN where the shaken values are not even all finite.

    `least` is what the last operator alone may do to it: by chance, samples may be closer together.
    """
    base = nominal.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        spread = np.max([np.abs(sample.astype(np.float64) - base) for sample in shaken], axis=0)
        same = np.all([_same(sample, nominal) for sample in shaken], axis=0)
        spread = np.maximum(np.where(same, 0, spread), np.where(np.isfinite(least), least, 0))
    largest = np.max(spread, initial=0, where=np.isfinite(spread))
    return np.asarray(MULTIPLE * spread + largest)


def _same(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one == other) | (np.isnan(one) & np.isnan(other))


def is_exact(nominal: np.ndarray, shaken: list[np.ndarray]) -> bool:
    """Whether rounding cannot reach the value."""
    if not is_float(nominal.dtype):
        return all(np.array_equal(sample, nominal) for sample in shaken)
    return all(bool(np.all(_same(sample, nominal))) for sample in shaken)


def difference(
    result: np.ndarray, nominal: np.ndarray, shaken: list[np.ndarray], least: np.ndarray | float = 0
) -> str | None:
    """In which way the result is not the reference's; None when it is right."""
    if result.dtype != nominal.dtype and not (result.dtype.kind in "OU" and nominal.dtype.kind in "OU"):
        return f"type {result.dtype}, not {nominal.dtype}"
    if result.shape != nominal.shape:
        return f"shape {result.shape}, not {nominal.shape}"
    if not is_float(nominal.dtype):
        wrong = np.asarray(result != nominal)
        return _describe(wrong, result, nominal, None)
    allowed = tolerance(nominal, shaken, least)
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(result.astype(np.float64) - nominal.astype(np.float64))
        close = (distance <= allowed) | (distance < FLUSHED)
    unstable = ~np.isfinite(allowed)
    return _describe(~(close | _same(result, nominal) | unstable), result, nominal, allowed)


def _describe(wrong: np.ndarray, result: np.ndarray, nominal: np.ndarray, allowed: np.ndarray | None) -> str | None:
    if not wrong.any():
        return None
    place = tuple(int(k) for k in np.argwhere(wrong)[0]) if wrong.ndim else ()
    within = f" within {allowed[place]:.3g}" if allowed is not None else ""
    found = f"{result[place]!r}, not {nominal[place]!r}{within}, at {list(place)}"
    return f"{int(wrong.sum())} of {wrong.size} elements: {found}"
