"""Implements peers: filters that the fusion benchmark runs beside ours."""

import numpy as np

from edge_runtime.signals import Float

_GRAVITY = np.array([0.0, 0.0, -9.80665])


def _skew(v: Float) -> Float:
    x, y, z = v
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def _gammas(phi: Float) -> tuple[Float, Float, Float]:
    """Returns exp, left Jacobian and Gamma_2 of a rotation vector, in closed form."""
    angle, k, eye = float(np.linalg.norm(phi)), _skew(phi), np.eye(3)
    if angle < 1e-6:
        return eye + k, eye + k / 2, eye / 2 + k / 6
    k2 = k @ k
    sine, cosine = np.sin(angle), np.cos(angle)
    return (
        eye + sine / angle * k + (1 - cosine) / angle**2 * k2,
        eye + (1 - cosine) / angle**2 * k + (angle - sine) / angle**3 * k2,
        eye / 2 + (angle - sine) / angle**3 * k + (angle**2 + 2 * cosine - 2) / (2 * angle**4) * k2,
    )


class PlainInvariantFilter:
    """Implements the right-invariant filter of Hartley et al., IJRR 2020, line by line in numpy.

    The state X in SE_{2+F}(3) is a matrix, theta the biases; feet are added at touch-down and
    removed at lift-off; the error of the estimate is X_estimated X^-1.

    Args:
        gyro_noise: rad/s/sqrt(Hz).
        accel_noise: m/s^2/sqrt(Hz).
        foot_noise: m, of kinematics.
        foot_walk: m/sqrt(s), of a standing foot.
        gyro_walk: rad/s/sqrt(s), of the bias.
        accel_walk: m/s^2/sqrt(s), of the bias.
    """

    def __init__(
        self,
        gyro_noise: float,
        accel_noise: float,
        foot_noise: float,
        foot_walk: float = 0.01,
        gyro_walk: float = 1e-5,
        accel_walk: float = 1e-4,
    ) -> None:
        self._gyro, self._accel = gyro_noise**2, accel_noise**2
        self._gyro_walk, self._accel_walk = gyro_walk**2, accel_walk**2
        self._walk, self._kinematics = foot_walk**2, foot_noise**2
        self.x: Float = np.eye(5)  # rotation, velocity, position, then the feet in contact
        self.theta = np.zeros(6)
        self.p = np.diag(
            [0.2**2] * 2 + [1e-8] + [0.6**2] * 3 + [1e-8] * 3 + [1e-4] * 3 + [2.5e-3] * 3
        )
        self.columns: dict[int, int] = {}  # columns of X, by foot

    def start(self, rotation: Float, velocity: Float) -> None:
        """Starts with this rotation (3, 3), body to world, and velocity (3,), m/s."""
        self.x[:3, :3], self.x[:3, 3] = rotation, velocity

    @property
    def rotation(self) -> Float:
        """Returns the rotation from body to world, (3, 3)."""
        return self.x[:3, :3]

    @property
    def velocity(self) -> Float:
        """Returns the velocity in the world frame, (3,) m/s."""
        return self.x[:3, 3]

    def _adjoint(self) -> Float:
        columns = self.x.shape[0] - 3
        rotation = self.rotation
        adjoint: Float = np.kron(np.eye(1 + columns), rotation).astype(np.float64)
        for k in range(columns):
            adjoint[3 + 3 * k : 6 + 3 * k, :3] = _skew(self.x[:3, 3 + k]) @ rotation
        return adjoint

    def predict(self, gyro: Float, accel: Float, dt: float) -> None:
        """Predicts with one reading of gyroscope, rad/s, and accelerometer, m/s^2."""
        size = self.x.shape[0] * 3 - 6  # of the pose's error
        gyro, accel = gyro - self.theta[:3], accel - self.theta[3:]
        adjoint = self._adjoint()
        a = np.zeros((size + 6, size + 6))
        a[3:6, 0:3] = _skew(_GRAVITY)
        a[6:9, 3:6] = np.eye(3)
        a[:size, size : size + 3] = -adjoint[:, 0:3]
        a[:size, size + 3 :] = -adjoint[:, 3:6]
        phi = np.eye(size + 6) + a * dt + a @ a * dt**2 / 2
        noise = np.zeros((size + 6, size + 6))
        noise[0:3, 0:3] = self._gyro * np.eye(3)
        noise[3:6, 3:6] = self._accel * np.eye(3)
        noise[9:size, 9:size] = self._walk * np.eye(size - 9)
        noise[size : size + 3, size : size + 3] = self._gyro_walk * np.eye(3)
        noise[size + 3 :, size + 3 :] = self._accel_walk * np.eye(3)
        whole = np.eye(size + 6)
        whole[:size, :size] = adjoint
        q = phi @ whole @ noise @ whole.T @ phi.T * dt
        self.p = phi @ self.p @ phi.T + q
        exp, left, second = _gammas(gyro * dt)
        rotation, velocity = self.rotation.copy(), self.velocity.copy()
        self.x[:3, 4] += velocity * dt + rotation @ second @ accel * dt**2 + _GRAVITY * dt**2 / 2
        self.x[:3, 3] += rotation @ left @ accel * dt + _GRAVITY * dt
        self.x[:3, :3] = rotation @ exp

    def update(self, positions: Float, contact: Float) -> None:
        """Corrects with the feet's positions (F, 3), m, in the body frame; contact
        (F,) is 0 or 1."""
        for foot, stands in enumerate(contact):
            if not stands and foot in self.columns:
                self._remove(foot)
        seen = [foot for foot, stands in enumerate(contact) if stands and foot in self.columns]
        if seen:
            self._correct(seen, positions)
        for foot, stands in enumerate(contact):
            if stands and foot not in self.columns:
                self._add(foot, positions[foot])

    def _correct(self, seen: list[int], positions: Float) -> None:
        size = self.x.shape[0] * 3 - 6
        h = np.zeros((3 * len(seen), size + 6))
        z = np.zeros(3 * len(seen))
        for row, foot in enumerate(seen):
            column = self.columns[foot]
            block = slice(3 * row, 3 * row + 3)
            h[block, 6:9] = -np.eye(3)
            h[block, 3 * column - 6 : 3 * column - 3] = np.eye(3)
            z[block] = self.rotation @ positions[foot] + self.x[:3, 4] - self.x[:3, column]
        n = self._kinematics * np.eye(len(z))
        s = h @ self.p @ h.T + n
        k = self.p @ h.T @ np.linalg.inv(s)
        delta = k @ z
        exp, left, _ = _gammas(delta[:3])
        xi = np.eye(self.x.shape[0])
        xi[:3, :3] = exp
        xi[:3, 3:] = left @ delta[3:size].reshape(-1, 3).T
        self.x = xi @ self.x
        self.theta += delta[size:]
        i_kh = np.eye(size + 6) - k @ h
        self.p = i_kh @ self.p @ i_kh.T + k @ n @ k.T

    def _remove(self, foot: int) -> None:
        column = self.columns.pop(foot)
        self.x = np.delete(np.delete(self.x, column, 0), column, 1)
        error = slice(3 * column - 6, 3 * column - 3)
        self.p = np.delete(np.delete(self.p, error, 0), error, 1)
        self.columns = {f: c - (c > column) for f, c in self.columns.items()}

    def _add(self, foot: int, position: Float) -> None:
        column = self.x.shape[0]
        self.columns[foot] = column
        x = np.eye(column + 1)
        x[:column, :column] = self.x
        x[:3, column] = self.x[:3, 4] + self.rotation @ position
        self.x = x
        size = 3 * column - 6
        f = np.zeros((size + 9, size + 6))
        f[:size, :size] = np.eye(size)
        f[size : size + 3, 6:9] = np.eye(3)
        f[size + 3 :, size:] = np.eye(6)
        self.p = f @ self.p @ f.T
        self.p[size : size + 3, size : size + 3] += self._kinematics * np.eye(3)
