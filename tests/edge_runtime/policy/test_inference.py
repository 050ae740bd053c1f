"""A policy file runs only after it proved itself."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import ContractError, UserError
from edge_runtime.policy.inference import GOLDEN_TOLERANCE, Policy
from tests.edge_runtime.leg import make_contract, make_model

MODEL = make_model(make_contract())
WHOLE = Policy(MODEL)
FRESH = np.random.default_rng(7).standard_normal((16, 1, 23), np.float32)


def refusal(model: bytes) -> str:
    with pytest.raises(ContractError) as error:
        Policy(model, "walk.onnx")
    message = str(error.value)
    assert message.startswith("walk.onnx: ")
    assert "\n" not in message
    return message


def test_runs_what_numpy_computes() -> None:
    policy = Policy(MODEL)
    contract = policy.contract
    observation = np.array(contract.golden_observations[:1], np.float32)
    action = policy(observation)
    assert action.dtype == np.float32
    np.testing.assert_allclose(action[0], contract.golden_actions[0], atol=1e-6)
    assert policy.golden_error() <= GOLDEN_TOLERANCE


def test_same_bits_every_time_and_in_every_instance() -> None:
    observation = np.random.default_rng(1).standard_normal((1, 23), np.float32)
    first, second = Policy(MODEL), Policy(MODEL)
    expected = first(observation).tobytes()
    assert all(p(observation).tobytes() == expected for p in (first, second, first))


@pytest.mark.parametrize("keep", [0, 1, 100, len(MODEL) // 2, len(MODEL) - 1])
def test_refuses_a_truncated_file(keep: int) -> None:
    refusal(MODEL[:keep])


def test_refuses_a_foreign_file() -> None:
    assert "not a readable policy" in refusal(b"PK\x03\x04 something else entirely")
    assert "sim2edge export" in refusal(make_model(make_contract(), metadata={"author": "else"}))


def test_refuses_changed_weights() -> None:
    proto = onnx.load_from_string(MODEL)
    weight = next(w for w in proto.graph.initializer if w.name == "weight")
    values = np.frombuffer(weight.raw_data, np.float32).copy()
    values[0] += 0.01
    weight.raw_data = values.tobytes()
    assert "golden vectors" in refusal(proto.SerializeToString())


def test_refuses_a_network_that_answers_nan() -> None:
    proto = onnx.load_from_string(MODEL)
    bias = next(w for w in proto.graph.initializer if w.name == "bias")
    bias.raw_data = np.full(3, np.nan, np.float32).tobytes()
    assert "golden vectors" in refusal(proto.SerializeToString())


def test_refuses_a_changed_contract() -> None:
    proto = onnx.load_from_string(MODEL)
    entry = next(p for p in proto.metadata_props if p.key == "sim2edge")
    entry.value = entry.value.replace('"action_clip": 5.0', '"action_clip": 9.0')
    assert "changed since export" in refusal(proto.SerializeToString())


def test_refuses_permuted_joint_names() -> None:
    """A reader of mjlab's keys alone must get the order of the contract."""
    proto = onnx.load_from_string(MODEL)
    entry = next(p for p in proto.metadata_props if p.key == "joint_names")
    entry.value = "knee,hip,ankle"
    assert "'joint_names' contradicts" in refusal(proto.SerializeToString())


def test_refuses_a_file_that_cannot_be_tested() -> None:
    assert "cannot be tested" in refusal(make_model(make_contract(), golden=0))


def test_refuses_another_size_than_the_contract_has() -> None:
    smaller = dataclasses.replace(make_contract(), observations=make_contract().observations[:-1])
    from edge_runtime.policy.contract import to_metadata

    assert "[1, 21]" in refusal(make_model(make_contract(), metadata=to_metadata(smaller)))


def test_refuses_weights_in_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even when that file lies in the working folder."""
    np.zeros((23, 3), np.float32).tofile(tmp_path / "weights.bin")
    monkeypatch.chdir(tmp_path)
    for place in ("weights.bin", str(tmp_path / "weights.bin")):
        assert "another file" in refusal(make_model(make_contract(), external=place))


@settings(max_examples=80)
@given(st.integers(0, len(MODEL) - 1), st.integers(1, 255))
def test_a_flipped_byte_is_refused_or_harmless(position: int, change: int) -> None:
    damaged = bytearray(MODEL)
    damaged[position] ^= change
    try:
        policy = Policy(bytes(damaged))
    except ContractError:
        return
    assert policy.contract == WHOLE.contract
    for observation in FRESH:
        expected = WHOLE(observation).copy()
        np.testing.assert_allclose(policy(observation), expected, atol=1e-3)


def test_says_which_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.onnx: No such file"):
        Policy.load(tmp_path / "nowhere.onnx")


def test_nothing_phones_home() -> None:
    """Not even where nobody set the variable; it counts when onnxruntime is imported."""
    program = (
        "import os, sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'onnxruntime': print(os.environ.get('ORT_DISABLE_TELEMETRY'))\n"
        "sys.meta_path.insert(0, Watch())\n"
        "import edge_runtime.policy.inference\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def test_two_policies_of_one_network_compute_in_buffers_of_their_own() -> None:
    policy = Policy(make_model(make_contract()))
    other = policy.with_own_buffers()
    size = policy.observation.shape[1]
    zeros, ones = np.zeros((1, size), np.float32), np.ones((1, size), np.float32)
    of_zeros = policy(zeros).copy()
    of_ones = other(ones).copy()
    assert np.array_equal(policy.action, of_zeros)
    assert not np.array_equal(of_zeros, of_ones)
    assert np.array_equal(policy(ones), of_ones)
    assert np.array_equal(other.observation, ones)
