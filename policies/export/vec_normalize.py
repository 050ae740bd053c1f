"""Reads the observation normalizer that Stable-Baselines3 pickles, without running its code.

A pickle may call anything that can be imported. Here it may build numpy arrays; every other class
or function that it names becomes an inert object, which only remembers its state.
"""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import UserError
from edge_runtime.files import check_file

NAME = "vecnormalize.pkl"  # as RL Zoo calls it
_ZOO = ("args.yml", "config.yml")  # beside it, in a folder that RL Zoo wrote
_ARRAYS = {
    *(
        (f"numpy.{core}.multiarray", name)
        for core in ("core", "_core")
        for name in ("_reconstruct", "scalar")
    ),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


@dataclass(frozen=True)
class Normalizer:
    """Computes clip((obs - mean) / sqrt(variance + epsilon), ±clip), entry by entry."""

    mean: npt.NDArray[np.float64]  # (n,)
    variance: npt.NDArray[np.float64]  # (n,)
    epsilon: float
    clip: float


def find_normalizer(model: Path) -> Path | None:
    """Finds the pickle that belongs to a model's zip file, where training has left one.

    That is `PREFIX_vecnormalize_N_steps.pkl` beside `PREFIX_N_steps.zip`, as a checkpoint callback
    writes it, or `vecnormalize.pkl` beside the model, in a folder of the model's name, or in one
    that RL Zoo wrote beside it. Any other folder may belong to another model.

    Raises:
        UserError: there are several.
    """
    folder, (prefix, _, steps) = model.parent, model.stem.removesuffix("_steps").rpartition("_")
    checkpoint = folder / f"{prefix}_vecnormalize_{steps}_steps.pkl"
    if checkpoint.is_file():
        return checkpoint
    zoo = {path.parent for name in _ZOO for path in folder.glob(f"*/{name}")}
    folders = (folder, *sorted({folder / model.stem} | zoo))
    found = [path / NAME for path in folders if (path / NAME).is_file()]
    if len(found) > 1:
        names = " and ".join(map(str, found))
        raise UserError(f"{model}: which normalizer, {names}? give --normalizer FILE")
    return found[0] if found else None


def read_normalizer(path: Path) -> Normalizer | None:
    """Reads what a pickled VecNormalize does to observations; None if it leaves them alone.

    Raises:
        UserError: the file cannot be read, or is something else.
    """
    check_file(path, "normalizer")
    try:
        with path.open("rb") as file:
            state = _Unpickler(file).load().__dict__
        if not state["norm_obs"]:
            return None
        statistics = state["obs_rms"].__dict__
        mean, variance = (np.asarray(statistics[name], np.float64) for name in ("mean", "var"))
        found = Normalizer(mean, variance, float(state["epsilon"]), float(state["clip_obs"]))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except Exception:
        raise UserError(
            f"{path} is no VecNormalize of Stable-Baselines3 for flat observations"
        ) from None
    if mean.ndim != 1 or mean.shape != variance.shape:
        raise UserError(f"{path} normalizes observations of shape {mean.shape}, not flat ones")
    return found


class _Inert:
    """Stands for whatever a pickle names; takes its arguments and state, and does nothing."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        pass

    def __call__(self, *arguments: Any, **keywords: Any) -> "_Inert":
        return self

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        pass

    extend = add = append


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return super().find_class(module, name) if (module, name) in _ARRAYS else _Inert
