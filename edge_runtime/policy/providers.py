"""Chooses the execution provider by measurement at the start: TensorRT, CUDA or the CPU.

A CPU computes a policy of some hundred kilobytes in less time than a call to a GPU takes. So the
CPU is used unless another provider is named, or was the fastest here.
"""

import json
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import onnxruntime as ort

from edge_runtime.child_program import child_program
from edge_runtime.errors import UserError
from edge_runtime.files import cache_folder, make_folder
from edge_runtime.policy.inference import CPU, ExecutionProvider, Policy, read_model

# TensorFloat-32 in place of single precision would fail the golden vectors.
_EXACT = {"NVIDIA_TF32_OVERRIDE": "0"}
AUTO, ON_CPU = "auto", "cpu"
TENSORRT, CUDA = "TensorrtExecutionProvider", "CUDAExecutionProvider"
NAMES = {ON_CPU: CPU.name, "cuda": CUDA, "tensorrt": TENSORRT}
_PATIENCE = 600.0  # s for one provider: TensorRT may build an engine for minutes, once
_TRIAL = "edge_runtime.policy.measure_provider"


@dataclass(frozen=True)
class ProviderTiming:
    """Holds a provider's latency on the policy's golden observations; times are in µs."""

    provider: str
    refused: str = ""  # why the provider cannot be used; empty if it can
    p50: float = 0.0
    p99: float = 0.0
    golden_error: float = 0.0  # relative to max(1, |action|)
    load_seconds: float = 0.0


@dataclass(frozen=True)
class Choice:
    """Holds the chosen provider and the measurements behind the choice."""

    provider: str
    wanted: str
    measured: tuple[ProviderTiming, ...] = ()
    diagnostic: str = ""  # why wanted providers were refused; empty if none was

    def as_dictionary(self) -> dict[str, Any]:
        """Returns the report's entry."""
        return asdict(self)

    def described(self) -> str:
        """Describes the choice in one line."""
        latencies = [
            f"{_short(m.provider)} "
            + (f"cannot: {m.refused}" if m.refused else f"p99 {m.p99:.0f} µs")
            for m in self.measured
        ]
        return "; ".join([_short(self.provider), *latencies])


def load(
    path: Path, wanted: str = ON_CPU, cache: Path | None = None, patience: float = _PATIENCE
) -> tuple[Policy, Choice]:
    """Loads a policy file on the wanted provider, or else on the CPU; see `load_model`.

    Raises:
        UserError: the file cannot be read, or no such provider is known.
        ContractError: the file is not a sound policy.
    """
    # Once, for it may be a pipe.
    return load_model(read_model(path), str(path), wanted, cache, patience)


def load_model(
    model: bytes,
    source: str,
    wanted: str = ON_CPU,
    cache: Path | None = None,
    patience: float = _PATIENCE,
) -> tuple[Policy, Choice]:
    """Loads a policy on the wanted provider, or else on the CPU.

    Args:
        model: the content of the policy file.
        source: how the policy is called.
        wanted: 'cpu', 'cuda', 'tensorrt', onnxruntime's name of another provider, or 'auto' for
            the provider here with the smallest p99.
        cache: folder for compiled engines; `default_cache()` by default.
        patience: how long the measurement of one provider may take, s.

    Raises:
        UserError: no such provider is known.
        ContractError: it is not a sound policy.
    """
    policy = Policy(model, source)  # on the CPU, the fallback of every provider
    if wanted == ON_CPU:
        return policy, Choice(CPU.name, wanted)
    names = candidates(wanted)
    folder = (cache or default_cache()) / f"{policy.sha256[:16]}-{ort.__version__}"
    make_folder(folder)
    measured = [measure(model, find(name, folder), patience) for name in names]
    choice = choose(wanted, measured)
    if choice.provider == CPU.name:
        return policy, choice
    os.environ.update(_EXACT)
    try:
        return Policy(model, source, find(choice.provider, folder)), choice
    except UserError as error:  # although its measurement worked
        measured = [m for m in choice.measured if m.provider != choice.provider]
        failed = ProviderTiming(choice.provider, f"it failed after it was measured: {error}")
        return policy, Choice(CPU.name, wanted, (*measured, failed), failed.refused)


def candidates(wanted: str) -> list[str]:
    """Returns the providers to measure, by onnxruntime's names; the CPU is always among them.

    Raises:
        UserError: no provider has that name.
    """
    available = ort.get_available_providers()
    if wanted == AUTO:
        return [name for name in NAMES.values() if name in available]
    name = NAMES.get(wanted, wanted)
    if name not in ort.get_all_providers():
        raise UserError(f"unknown provider '{wanted}'; take {', '.join([AUTO, *NAMES])}")
    return list(dict.fromkeys((CPU.name, name)))


def choose(wanted: str, measured: Sequence[ProviderTiming]) -> Choice:
    """Chooses the sound provider with the smallest p99, or the wanted one if it is sound."""
    sound = [m for m in measured if not m.refused]
    if wanted == AUTO:
        best = min(sound, key=lambda m: m.p99).provider if sound else CPU.name
        refused = "; ".join(f"{_short(m.provider)}: {m.refused}" for m in measured if m.refused)
        return Choice(best, wanted, tuple(measured), refused)
    name = NAMES.get(wanted, wanted)
    why = next((m.refused for m in measured if m.provider == name), "it was not measured")
    if not why:
        return Choice(name, wanted, tuple(measured))
    return Choice(CPU.name, wanted, tuple(measured), why)


def find(name: str, folder: Path) -> ExecutionProvider:
    """Returns a provider with the options that a policy needs.

    Args:
        name: onnxruntime's name.
        folder: folder for compiled engines.
    """
    if name == CPU.name:
        return CPU
    if name == CUDA:
        return ExecutionProvider(name, {"use_tf32": "0"})
    if name == TENSORRT:
        options = {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(folder),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(folder),
        }
        return ExecutionProvider(name, options)
    return ExecutionProvider(name)


def measure(
    model: bytes, provider: ExecutionProvider, patience: float = _PATIENCE
) -> ProviderTiming:
    """Measures a provider in a process of its own, so that a crash or hang cannot end this one."""
    request = json.dumps([provider.name, dict(provider.options)])
    process = subprocess.Popen(
        [*child_program(_TRIAL), request],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | _EXACT,
    )
    try:
        answer, complaints = process.communicate(model, patience)
    except subprocess.TimeoutExpired:
        return ProviderTiming(provider.name, f"it did not answer within {patience:g} s")
    finally:
        process.kill()
        process.wait()
    if process.returncode < 0:
        return ProviderTiming(provider.name, f"it crashed with signal {-process.returncode}")
    lines = complaints.decode(errors="replace").strip().splitlines()
    try:
        found = ProviderTiming(provider.name, **json.loads(answer.splitlines()[-1]))
    except (IndexError, ValueError, TypeError):
        why = lines[-1] if lines else f"exit code {process.returncode}"
        return ProviderTiming(provider.name, f"it failed: {why}")
    if found.refused and lines:  # onnxruntime says on stderr which library it lacks
        return replace(found, refused=f"{found.refused} ({_reason(lines)})")
    return found


def default_cache() -> Path:
    """Returns the folder in which compiled engines are kept between starts."""
    return cache_folder("engines")


def _reason(lines: Sequence[str]) -> str:
    """Returns the failure in onnxruntime's log, without colours and places in its source."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", next((x for x in lines if "rror" in x), lines[-1]))
    return plain.split("] ")[-1].strip()


def _short(name: str) -> str:
    return name.removesuffix("ExecutionProvider")
