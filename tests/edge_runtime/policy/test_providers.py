"""What computes a policy is chosen by measurement, and the CPU is there whatever fails."""

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from edge_runtime.errors import ContractError, UserError
from edge_runtime.policy import providers
from edge_runtime.policy.inference import CPU, ExecutionProvider, Policy
from edge_runtime.policy.measure_provider import trial
from edge_runtime.policy.providers import Choice, ProviderTiming, candidates, choose, load, measure
from tests.edge_runtime.leg import make_contract, make_model

# A second provider that comes with each onnxruntime for Linux: it leaves all of this to the CPU.
AZURE = "AzureExecutionProvider"
HERE = ort.get_available_providers()
ABSENT = next(name for name in ort.get_all_providers() if name not in HERE)
needs_a_second = pytest.mark.skipif(AZURE not in HERE, reason="this onnxruntime has one provider")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "leg.onnx"
    path.write_bytes(make_model(make_contract()))
    return path


def test_nothing_is_measured_unless_asked(path: Path, tmp_path: Path) -> None:
    policy, choice = load(path, cache=tmp_path / "cache")
    assert (policy.provider, choice) == (CPU, Choice(CPU.name, "cpu"))
    assert not (tmp_path / "cache").exists()


def test_measures_all_that_are_here(path: Path, tmp_path: Path) -> None:
    policy, choice = load(path, "auto", tmp_path)
    measured = {m.provider: m for m in choice.measured}
    assert list(measured) == [name for name in providers.NAMES.values() if name in HERE]
    cpu = measured[CPU.name]
    assert 0 < cpu.p50 <= cpu.p99
    assert cpu.golden_error <= 1e-5 and cpu.refused == ""
    sound = [m for m in choice.measured if not m.refused]
    assert choice.provider == policy.provider.name == min(sound, key=lambda m: m.p99).provider
    assert "CPU p99 " in choice.described()


@pytest.mark.slow
@needs_a_second
def test_one_that_is_named_is_taken(path: Path, tmp_path: Path) -> None:
    policy, choice = load(path, AZURE, tmp_path)
    assert policy.provider.name == choice.provider == AZURE
    assert [m.provider for m in choice.measured] == [CPU.name, AZURE]
    assert choice.diagnostic == ""
    golden = np.array(policy.contract.golden_observations[:1], np.float32)
    np.testing.assert_allclose(policy(golden)[0], policy.contract.golden_actions[0], atol=1e-6)


def test_one_that_is_not_built_in_leaves_the_cpu(path: Path, tmp_path: Path) -> None:
    policy, choice = load(path, ABSENT, tmp_path)
    assert policy.provider is CPU
    assert choice.provider == CPU.name
    assert f"was built without {ABSENT}" in choice.diagnostic


def test_one_that_is_listed_but_does_not_start_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """onnxruntime then goes on with the CPU, and only warns."""
    monkeypatch.setattr(ort, "get_available_providers", lambda: [*HERE, ABSENT])
    with (
        pytest.warns(UserWarning, match="is not in available provider names"),
        pytest.raises(UserError, match=f"{ABSENT} could not be started"),
    ):
        Policy(path.read_bytes(), "leg.onnx", ExecutionProvider(ABSENT))


@pytest.mark.slow
@needs_a_second
def test_one_that_computes_something_else_is_refused(path: Path) -> None:
    """As TensorFloat-32 would: close, but not within the contract's tolerance."""
    proto = onnx.load_from_string(path.read_bytes())
    weight = next(w for w in proto.graph.initializer if w.name == "weight")
    values = np.frombuffer(weight.raw_data, np.float32)
    rounded = (values.view(np.uint32) + 0x1000 & 0xFFFFE000).astype(np.uint32)  # to 10 bits
    weight.raw_data = rounded.tobytes()
    found = measure(proto.SerializeToString(), ExecutionProvider(AZURE))
    assert "other actions than its golden vectors" in found.refused
    assert f"if {AZURE} computes it" in found.refused
    assert measure(path.read_bytes(), ExecutionProvider(AZURE)).refused == ""


def test_what_is_no_policy_is_named(path: Path) -> None:
    assert "not a readable policy" in measure(b"no model", CPU).refused
    assert trial(path.read_bytes(), CPU, runs=2)["load_seconds"] > 0


def strike(number: int, struck: list[int]) -> threading.Thread:
    """Send a signal to the next process that this one starts."""

    def wait_and_strike() -> None:
        children = Path(f"/proc/{os.getpid()}/task")
        until = time.monotonic() + 30
        while time.monotonic() < until:
            for task in children.iterdir():
                for child in (task / "children").read_text().split():
                    if b"measure_provider" not in Path(f"/proc/{child}/cmdline").read_bytes():
                        continue  # it is still what it was forked from
                    os.kill(int(child), number)
                    struck.append(int(child))
                    return
            time.sleep(0.001)

    thread = threading.Thread(target=wait_and_strike)
    thread.start()
    return thread


def test_one_that_crashes_takes_nothing_along(path: Path) -> None:
    struck: list[int] = []
    thread = strike(signal.SIGSEGV, struck)
    found = measure(path.read_bytes(), CPU)
    thread.join()
    assert struck
    assert found.refused == f"it crashed with signal {int(signal.SIGSEGV)}"


def test_one_that_hangs_is_given_up(path: Path) -> None:
    struck: list[int] = []
    thread = strike(signal.SIGSTOP, struck)
    found = measure(path.read_bytes(), CPU, patience=1.0)
    thread.join()
    assert found.refused == "it did not answer within 1 s"
    assert not Path(f"/proc/{struck[0]}").exists()


def test_the_smallest_p99_of_the_sound_ones_wins() -> None:
    measured = [
        ProviderTiming("Fast", "off by 0.01"),
        ProviderTiming("B", p50=1.0, p99=80.0),
        ProviderTiming("A", p50=20.0, p99=50.0),
    ]
    choice = choose("auto", measured)
    assert (choice.provider, choice.diagnostic) == ("A", "Fast: off by 0.01")
    assert choose("B", measured).provider == "B"
    fallen_back = choose("Fast", measured)
    assert (fallen_back.provider, fallen_back.diagnostic) == (CPU.name, "off by 0.01")
    assert choose("auto", measured[:1]).provider == CPU.name


def test_keeps_what_is_compiled_apart(tmp_path: Path) -> None:
    options = providers.find(providers.TENSORRT, tmp_path).options
    assert options["trt_engine_cache_path"] == options["trt_timing_cache_path"] == str(tmp_path)
    assert providers.find(providers.CUDA, tmp_path).options == {"use_tf32": "0"}


def test_refuses_a_name_that_nobody_knows(path: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown provider 'gpu'; take auto, cpu, cuda, tensorrt"):
        load(path, "gpu", tmp_path)
    assert candidates("cuda") == [CPU.name, providers.CUDA]


def test_a_policy_that_is_not_sound_is_refused_first(tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(make_model(make_contract())[:-100])
    with pytest.raises(ContractError):
        load(path, "auto", tmp_path)


def test_a_cache_that_cannot_be_written_is_one_line(path: Path) -> None:
    with pytest.raises(UserError, match="cannot write to /proc/cache"):
        load(path, "auto", Path("/proc/cache"))
