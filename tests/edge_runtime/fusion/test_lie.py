import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm

from edge_runtime.fusion import lie

vectors = st.lists(st.floats(-3.0, 3.0), min_size=3, max_size=3).map(np.array)
scales = st.sampled_from([0.0, 1e-9, 1e-4, 0.018, 0.02, 1.0])


@given(vectors, scales)
def test_exponentials_are_those_of_the_series(v, scale):
    v = v * scale
    k = lie.skew(v)
    assert lie.so3_exp(v) == pytest.approx(expm(k), abs=1e-13)
    # the Gammas are blocks of the exponential of an augmented matrix (van Loan, 1978)
    block = np.zeros((9, 9))
    block[:3, :3] = k
    block[:3, 3:6] = block[3:6, 6:] = np.eye(3)
    block = expm(block)
    assert lie.so3_left_jacobian(v) == pytest.approx(block[:3, 3:6], abs=1e-12)
    assert lie.so3_gamma_2(v) == pytest.approx(block[:3, 6:], abs=1e-12)


@given(vectors, vectors, vectors)
def test_extended_pose_exponential_is_the_matrix_one(rotation, first, second):
    algebra = np.zeros((5, 5))
    algebra[:3, :3] = lie.skew(rotation)
    algebra[:3, 3], algebra[:3, 4] = first, second
    whole = expm(algebra)
    r, translations = lie.sek3_exp(np.concatenate([rotation, first, second]))
    assert r == pytest.approx(whole[:3, :3], abs=1e-12)
    assert translations == pytest.approx(whole[:3, 3:].T, abs=1e-11)


@given(vectors, scales)
def test_logarithm_and_quaternion_come_back(v, scale):
    angle = np.linalg.norm(v)
    v = v * scale / max(angle / np.pi, 1.0)
    rotation = lie.so3_exp(v)
    assert lie.so3_exp(lie.so3_log(rotation)) == pytest.approx(rotation, abs=1e-12)
    q = lie.matrix_to_quaternion(rotation)
    assert np.linalg.norm(q) == pytest.approx(1.0)
    assert q[0] >= 0
    assert lie.quaternion_to_matrix(q) == pytest.approx(rotation, abs=1e-12)


@given(vectors.filter(lambda v: np.linalg.norm(v) > 0.1))
def test_tilt_puts_the_specific_force_upright_without_yaw(accel):
    rotation = lie.tilt_from_gravity(accel)
    assert rotation @ accel == pytest.approx([0, 0, np.linalg.norm(accel)], abs=1e-12)
    if np.hypot(*accel[1:]) > 1e-3:
        assert np.arctan2(rotation[1, 0], rotation[0, 0]) == pytest.approx(0, abs=1e-9)
