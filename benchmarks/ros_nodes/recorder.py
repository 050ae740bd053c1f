"""Kills a recorder beside a robot at work. Part of `ros.py`."""

import os
import signal
import tempfile
import time
from pathlib import Path

from figures import Figure
from mcap.reader import make_reader

from ros_nodes.processes import Running, node_command, wait_until
from ros_nodes.robots import Motion, missed, up

_RECORDING = 5.0  # s before it is killed, and after
_IMU = "/imu/data_raw"


def killed() -> list[Figure]:
    """Measures what SIGKILL loses of the recording, and what the control loop notices."""
    motion = Motion()
    with tempfile.TemporaryDirectory() as folder, up("humanoid", motion) as listener:
        recorder = _record(folder)
        time.sleep(_RECORDING)
        before = missed(listener)
        at = time.time()
        os.killpg(recorder.process.pid, signal.SIGKILL)
        recorder.process.wait()
        killed_at = time.monotonic()
        again = _record(folder)
        gap = time.monotonic() - killed_at
        time.sleep(_RECORDING)
        noticed = missed(listener) - before
        again.end()
        first, second = sorted(Path(folder).glob("bag_*"))
        lost, after = at - max(_recorded(first)), _recorded(second)
    if not after:
        raise RuntimeError("the second recorder recorded nothing")
    return [
        Figure(
            "kill -9 of the recorder, of the recording lost",
            lost,
            "s",
            1.0,
            f"started anew, it records after {gap:.1f} s",
            at_least=False,
        ),
        Figure(
            "kill -9 of the recorder, deadlines missed by the control loop",
            noticed,
            "deadlines",
            0,
            at_least=False,
        ),
    ]


def _record(folder: str) -> Running:
    recorder = Running(node_command("sim2edge_ros.recorder.recorder_node", {"folder": folder}))
    recorder.until_said("recording into")
    bag = max(Path(folder).glob("bag_*"))

    def grows() -> bool:
        return any(file.stat().st_size > 1000 for file in bag.glob("*"))

    wait_until(grows, f"{bag} grows")
    return recorder


def _recorded(bag: Path) -> list[float]:
    """Returns when each reading of the IMU was recorded, as a standard reader finds it, s since
    1970."""
    times = []
    for file in bag.glob("*.mcap"):
        with file.open("rb") as stream:
            found = make_reader(stream).iter_messages(topics=[_IMU])
            times += [message.log_time * 1e-9 for _schema, _channel, message in found]
    return times
