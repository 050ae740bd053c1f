"""Runs a policy file: checked, bound to fixed buffers, and warmed up."""

import copy
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np
import onnxruntime as ort

from edge_runtime.errors import ContractError, UserError
from edge_runtime.files import read_file
from edge_runtime.policy.bounded_call import call_in_time
from edge_runtime.policy.contract import Contract, from_metadata
from edge_runtime.policy.shipped import policy_path
from edge_runtime.signals import Array

INPUT, OUTPUT = "obs", "actions"
LARGEST = 2**30  # bytes of a policy file
GOLDEN_TOLERANCE = 1e-5  # largest golden error, relative to max(1, |action|)
_MEMORY = 2**31  # bytes that a network may take
_WARM_UP_RUNS = 20
_PATIENCE = 10.0  # s for the trial of a network
_FIRST_TO_READ = {10: "1.18", 11: "1.22", 12: "1.23", 13: "1.24"}  # onnxruntime, by IR version
_NO_FOLDER = "/dev/null/none"  # below a file, so it can never exist
# In a tensor's `external_data`, which onnxruntime 1.23, the last for Python 3.10, would follow.
_ELSEWHERE = b"\n\x08location\x12"
# What a network computes of constants alone it computes in each run, where it is bounded, and not
# while it is loaded, where nothing bounds it. The exporter writes no such node.
NOT_WHILE_LOADING = ("ConstantFolding",)


@dataclass(frozen=True)
class ExecutionProvider:
    """Names an execution provider of onnxruntime, with its options."""

    name: str
    options: Mapping[str, str] = field(default_factory=dict)


CPU = ExecutionProvider("CPUExecutionProvider")


class Policy:
    """Runs one policy: `policy(observation)`.

    Input and output are fixed buffers (`observation`, `action`), so a call allocates nothing. The
    network runs on the calling thread alone, without spinning.

    Raises:
        ContractError: the file is not a policy, was damaged or changed since export, or does not
            compute its golden actions.
        UserError: the execution provider cannot be started here.
    """

    def __init__(
        self, model: bytes, source: str = "policy", provider: ExecutionProvider = CPU
    ) -> None:
        self.source, self.provider = source, provider
        self.sha256 = hashlib.sha256(model).hexdigest()
        self.contract = _try_in_time(model, source)
        # Its memory is its own: the loop waits for no other network's.
        self._session = _session(model, source, provider)
        self._bind_buffers()
        for _ in range(_WARM_UP_RUNS):
            self.run()
        error = self.golden_error()
        if not error <= GOLDEN_TOLERANCE:
            remedy = "so it was changed since export; export it again"
            if provider != CPU:
                remedy = f"if {provider.name} computes it; {GOLDEN_TOLERANCE:g} is allowed"
            raise ContractError(
                f"{source}: the network gives other actions than its golden vectors (off by "
                f"{error:.3g}), {remedy}"
            )

    def _bind_buffers(self) -> None:
        self.observation = np.zeros((1, self.contract.observation_size), np.float32)
        self.action = np.zeros((1, len(self.contract.actuators)), np.float32)
        self._binding = self._session.io_binding()
        self._binding.bind_input(
            INPUT, "cpu", 0, np.float32, self.observation.shape, self.observation.ctypes.data
        )
        self._binding.bind_output(
            OUTPUT, "cpu", 0, np.float32, self.action.shape, self.action.ctypes.data
        )
        # Computes `action` from `observation`.
        self.run: Callable[[], None] = partial(self._session.run_with_iobinding, self._binding)

    def with_own_buffers(self) -> "Policy":
        """Returns a policy that shares this one's network and computes in buffers of its own."""
        other = copy.copy(self)
        other._bind_buffers()
        return other

    @classmethod
    def load(cls, path: str | Path, provider: ExecutionProvider = CPU) -> "Policy":
        """Reads a policy file.

        Raises:
            UserError: the file cannot be read, or the provider cannot be started.
            ContractError: the file is not a sound policy.
        """
        return cls(read_model(path), str(path), provider)

    def __call__(self, observation: Array) -> Array:
        """Computes the action before the clip, (1, A), for an observation, (1, n).

        The next call overwrites the returned buffer.
        """
        np.copyto(self.observation, observation)
        self.run()
        return self.action

    def golden_error(self) -> float:
        """Returns the largest difference from the golden actions, relative to `max(1, |action|)`.

        Raises:
            ContractError: the file has no golden vectors, or some of another size.
        """
        observations, actions = _golden_vectors(self.contract, self.source)
        given = np.concatenate([self(row[None]).copy() for row in observations])
        return float(np.max(np.abs(given - actions) / np.maximum(1.0, np.abs(actions))))


def read_model(path: str | Path) -> bytes:
    """Reads the bytes of a policy file, or of a shipped policy by its name.

    Raises:
        UserError: the file cannot be read.
    """
    path = policy_path(Path(path))
    if path.is_dir():
        raise UserError(
            f"{path} is a folder; make a policy file of a run with 'sim2edge export {path}'"
        )
    return read_file(path, "policy", LARGEST)


@cache
def _bound_memory() -> None:
    """Bounds the memory of networks on trial: a file of some kB may ask for any amount."""
    info = ort.OrtMemoryInfo(
        "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
    )
    extend_as_requested = 1  # not to the next power of two
    limits = {"max_mem": _MEMORY, "arena_extend_strategy": extend_as_requested}
    with suppress(Exception):  # the program has an allocator of its own, which counts
        ort.create_and_register_allocator(info, ort.OrtArenaCfg(limits))


def _session(
    model: bytes, source: str, provider: ExecutionProvider, *, bounded: bool = False
) -> ort.InferenceSession:
    if provider.name not in ort.get_available_providers():
        raise UserError(
            f"{source}: this onnxruntime {ort.__version__} was built without {provider.name}; "
            "install one that has it, or run on the CPU"
        )
    if _ELSEWHERE in model:
        raise ContractError(
            f"{source}: its weights lie in another file, and a policy holds them itself; "
            "copy or export it again"
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # The error raised below is enough; but only the log names the library that a provider lacks.
    options.log_severity_level = 4 if provider == CPU else 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if bounded:
        _bound_memory()
        options.add_session_config_entry("session.use_env_allocators", "1")
    # onnxruntime looks for external weights in the working folder, even for a model from bytes.
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", _NO_FOLDER
    )
    try:
        session = ort.InferenceSession(
            model,
            options,
            providers=[(provider.name, dict(provider.options))],
            disabled_optimizers=NOT_WHILE_LOADING,
        )
    except Exception as error:  # onnxruntime's errors share no other base
        raise ContractError(
            f"{source}: not a readable policy ({_reason(error)}); {_remedy(str(error))}"
        ) from None
    if session.get_providers()[0] != provider.name:  # onnxruntime falls back without an error
        raise UserError(
            f"{source}: {provider.name} could not be started, although this onnxruntime "
            f"{ort.__version__} has it: its driver or libraries are missing, or of another version"
        )
    return session


def _try_in_time(model: bytes, source: str) -> Contract:
    """Tries a network on a thread that is given up on after a while, and returns its contract.

    The calling thread goes on heeding signals; a single operator cannot be stopped from outside.

    Raises:
        ContractError: as `_try_out` does, or the trial takes longer than any robot waits.
    """
    options = ort.RunOptions()
    try:
        return call_in_time(
            partial(_try_out, model, source, options),
            _PATIENCE,
            partial(setattr, options, "terminate", True),  # after the operator that hangs
        )
    except TimeoutError:
        raise ContractError(
            f"{source}: its network cannot be run (not done within {_PATIENCE:g} s); "
            "export it again"
        ) from None


def _try_out(model: bytes, source: str, options: ort.RunOptions) -> Contract:
    """Loads a network and runs it as often as `Policy` will, for a file may hold any network.

    Raises:
        ContractError: it fails, takes more memory than any policy needs, or does not fit its
            contract.
    """
    session = _session(model, source, CPU, bounded=True)
    contract = from_metadata(_metadata(session, source), source)
    _check_border(session, contract, source)
    observations, _ = _golden_vectors(contract, source)
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    try:
        for row in (*np.zeros((_WARM_UP_RUNS, observations.shape[1]), np.float32), *observations):
            session.run([OUTPUT], {INPUT: row[None]}, options)
    except Exception as error:  # as above
        raise ContractError(
            f"{source}: its network cannot be run ({_reason(error)}); export it again"
        ) from None
    return contract


def _golden_vectors(contract: Contract, source: str) -> tuple[Array, Array]:
    """Returns the golden observations, (N, n), and actions, (N, A).

    Raises:
        ContractError: the contract has none, or some of another size.
    """
    try:
        with np.errstate(over="ignore"):  # what is too large differs
            observations = np.array(contract.golden_observations, np.float32)
            actions = np.array(contract.golden_actions, np.float32)
    except ValueError:
        raise ContractError(
            f"{source}: its golden vectors differ in length; export it again"
        ) from None
    rows = len(observations)
    if rows == 0 or (observations.shape, actions.shape) != (
        (rows, contract.observation_size),
        (rows, len(contract.actuators)),
    ):
        raise ContractError(
            f"{source}: no golden vectors of its size, so it cannot be tested; export it again"
        )
    return observations, actions


def _reason(error: Exception) -> str:
    """Returns what an error of onnxruntime says, without its kind and the place in its source."""
    said = str(error).split(" : ")[-1].strip().splitlines() or [type(error).__name__]
    if "Available memory of" in said[0]:
        return f"it needs more than {_MEMORY >> 20} MB of memory"
    return re.sub(r"^/\S+:\d+ .*\) ", "", said[0]).strip()[:300]


def _remedy(said: str) -> str:
    """Returns the way out of an error in loading a model: newer ones need a newer onnxruntime."""
    version = re.search(r"Unsupported model IR version: (\d+)", said)
    opset = re.search(r"Opset (\d+) is under development", said)
    if not version and not opset:
        return "copy or export it again"
    first = _FIRST_TO_READ.get(int(version[1])) if version else None
    wanted = f">={first}" if first else f">{ort.__version__}"
    return f"pip install 'onnxruntime{wanted}', or export it again with an older onnx"


def _metadata(session: ort.InferenceSession, source: str) -> dict[str, str]:
    try:
        return dict(session.get_modelmeta().custom_metadata_map)
    except UnicodeDecodeError:
        raise ContractError(f"{source}: its metadata is damaged; copy or export it again") from None


def _check_border(session: ort.InferenceSession, contract: Contract, source: str) -> None:
    """Refuses a network whose inputs and outputs are not the contract's."""

    def border(nodes: Sequence[ort.NodeArg]) -> list[tuple[str, str, list[int]]]:
        return [(node.name, node.type, list(node.shape)) for node in nodes]

    for what, found, expected in (
        ("input", border(session.get_inputs()), (INPUT, contract.observation_size)),
        ("output", border(session.get_outputs()), (OUTPUT, len(contract.actuators))),
    ):
        name, size = expected
        if found != [(name, "tensor(float)", [1, size])]:
            has = "; ".join(f"{n} {t} {s}" for n, t, s in found)
            raise ContractError(
                f"{source}: the contract needs one {what} '{name}' tensor(float) [1, {size}], "
                f"the network has {has}; export it again"
            )
