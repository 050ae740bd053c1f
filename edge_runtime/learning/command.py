"""Runs `sim2edge learn`: drives a robot as `sim2edge run` does, and learns beside that."""

import contextlib
import json
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from edge_runtime.audit.watch import watching
from edge_runtime.config.config_file import to_json
from edge_runtime.config.fields import LONGEST, setting
from edge_runtime.connect import SIMULATED, DriverRequest, connect
from edge_runtime.errors import UserError
from edge_runtime.estimators import AUTO, find_fusion, find_name, find_spare
from edge_runtime.files import make_folder, write_file
from edge_runtime.learning.beside.learning import ADAPTER, TRIM, Learning, LearningConfig
from edge_runtime.learning.beside.lockstep import SimulatedClock
from edge_runtime.learning.beside.practice import PracticeConfig
from edge_runtime.loop.budget import BudgetConfig
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.heading_hold import HeadingHoldConfig
from edge_runtime.loop.realtime import RealtimeConfig
from edge_runtime.loop.session import Session
from edge_runtime.operation.drive import drive, possible_robot, refused
from edge_runtime.policy.inference import Policy, read_model
from edge_runtime.policy.shipped import policy_path
from edge_runtime.report.latency_picture import latency_svg
from edge_runtime.report.run_report import as_dictionary
from edge_runtime.safety.watchdog import ServiceWatchdog
from edge_runtime.slots.records import no_note
from edge_runtime.slots.slot_folder import SlotFolder
from edge_runtime.stop_signals import interruptible

STOPPED_BY_GUARD = 1  # exit code
_LEARNED, _IDENTIFIED = "learned.onnx", "identified.json"  # in the report's folder


@dataclass(frozen=True)
class LearnConfig:
    """Drive a robot with a policy, and let it learn from what it experiences."""

    policy: Path
    """The policy file (.onnx), or the name of a policy that comes with sim2edge."""
    robot: str = SIMULATED
    """'sim' for the simulated robot, the name of another driver that is installed, or
    MODULE:FACTORY, which is called without arguments and returns a Robot."""
    device: Path | None = None
    """How the simulated robot is worn (TOML): gains, strength, offsets, payload, sole, friction."""
    minutes: float = setting(
        20.0, "How long to drive; 0 until interrupted.", "min", at_least=0, at_most=LONGEST / 60
    )
    command: tuple[float, ...] = ()
    """The operator's command, one number for each command of the policy. Without it a simulated
    robot gets other commands now and then, as in training, and another robot zeros."""
    practice: PracticeConfig = PracticeConfig()
    heading: HeadingHoldConfig = HeadingHoldConfig(gain=2.0)
    report: Path = Path("out/learn")
    """Folder for report.json, latency.svg, what was identified of the robot (identified.json), the
    policy that was learned, and the learner's files."""
    resume: bool = False
    """Go on from what the learner has left in that folder; else it begins anew."""
    fusion: str = AUTO
    """The estimator, as for 'sim2edge run'."""
    learning: LearningConfig = field(default_factory=LearningConfig)
    slots: Path | None = None
    """Folder of 'sim2edge slots', which gets each policy that was promoted."""
    audit: Path | None = None
    """Record what drove the robot, what was proposed and what became of it, in this audit log."""
    fast: bool = False
    """Let a simulated robot wait for each command, and run faster than time. The same seed then
    gives the same run."""
    seed: int = setting(
        0, "Seed of the simulated world, the exploration and the learner.", at_least=0
    )
    realtime: RealtimeConfig = field(
        default_factory=lambda: RealtimeConfig(fifo=50, lock_memory=True)
    )
    """Real-time settings of the operating system; the report names those that it refused."""
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    """Share of the control period that each stage of a tick may take."""
    rehearse: bool = True
    """Run a copy of the control loop shortly before each tick, which then takes half as long."""


def main(config: LearnConfig) -> int:
    """Runs the command; returns 0, or 1 if the guard had to stop the robot.

    Raises:
        UserError: policy, kit, robot or options do not fit together, or the robot failed.
    """
    _check(config)
    path = policy_path(config.policy)
    model = read_model(path)
    policy = Policy(model, str(path))
    command = policy.contract.command_values(config.command)
    _check_kit(config, path)
    make_folder(config.report)
    if not config.resume:
        for name in (_LEARNED, _IDENTIFIED):  # of an earlier run
            (config.report / name).unlink(missing_ok=True)
    with (
        watching(config.audit) as watch,
        connect(config.robot, _request(config, policy)) as connected,
        interruptible(2, others=(signal.SIGTSTP,)) as interrupted,
    ):
        robot = possible_robot(connected, config.robot, policy.contract)
        name = find_name(config.fusion, policy.contract, robot.description)
        with contextlib.ExitStack() as stack:
            fusion = find_fusion(name, policy.contract, robot.description)
            stack.enter_context(contextlib.closing(fusion))
            spare = None
            if config.rehearse and not config.fast:
                spare = find_spare(name, policy.contract, robot.description)
            if spare is not None:
                stack.enter_context(contextlib.closing(spare))
            timing = LoopConfig(config.budget, _realtime(config), config.heading)
            clock = SimulatedClock()
            session = Session(
                policy, robot, fusion, timing, clock if config.fast else time.monotonic_ns, spare
            )
            loop = session.loop
            loop.command.put(command)
            stack.enter_context(contextlib.closing(ServiceWatchdog(lambda: loop.ticks)))
            learning = Learning(
                session,
                model,
                config.learning,
                config.report / "learner",
                seed=config.seed,
                kit=path.with_suffix(".kit"),
                resume=config.resume,
                clock=clock if config.fast else None,
                slots=None if config.slots is None else SlotFolder(config.slots),
                note=no_note if watch is None else watch.note,
            )
            stack.enter_context(contextlib.closing(learning))
            if config.robot == SIMULATED:
                learning.practise(config.practice, commanded=not config.command)
            if watch is not None:
                watch.begin(policy, config.robot)
                loop.add_observer(watch)
            seconds = 60.0 * config.minutes
            try:
                drive(session, seconds, interrupted, learning, learning.pace(seconds))
            finally:
                learning.close()
                if watch is not None:
                    watch.end(loop)
                    watch.flush()
                    print(f"audit: {watch.described()}")
                for line in learning.lines():
                    print(line)
                print(f"report: {_write_report(config, session, learning)}")
    return STOPPED_BY_GUARD if loop.guard.latched else 0


def _check(config: LearnConfig) -> None:
    if config.fast and config.robot != SIMULATED:
        raise UserError(
            f"--fast is for the simulated robot alone, and the robot is '{config.robot}'"
        )
    if config.fast and not config.minutes:
        raise UserError("--fast needs an end; give --minutes")
    store = config.learning.store
    if store.folder is not None and store.key is None and not store.credential:
        raise UserError("--store needs --store-key; 'sim2edge experience new FILE' makes one")


def _check_kit(config: LearnConfig, policy: Path) -> None:
    """Refuses to drive a robot that could not learn."""
    kit = config.learning.kit or policy.with_suffix(".kit")
    own = set(config.learning.tiers) <= {TRIM, ADAPTER}
    if own and not kit.exists():
        raise UserError(
            f"there is no learner kit {kit}; make one with 'sim2edge export POLICY --kit {kit}'"
        )


def _request(config: LearnConfig, policy: Policy) -> DriverRequest:
    return DriverRequest(
        task=policy.contract.task,
        seed=config.seed,
        device=config.device,
        practice=config.robot == SIMULATED,
        lockstep=config.fast,
        fifo=max(0, config.realtime.fifo - 1),
    )


def _realtime(config: LearnConfig) -> RealtimeConfig:
    """Returns the settings of the loop's thread; one in lockstep must not get ahead of others."""
    return RealtimeConfig() if config.fast else config.realtime


def _write_report(config: LearnConfig, session: Session, learning: Learning) -> Path:
    """Writes the report and the policy that was learned; returns their folder."""
    loop, folder = session.loop, config.report
    content = {
        **as_dictionary(loop),
        "refused": refused(loop.robot),
        "config": to_json(config),
        "learning": learning.as_dictionary(),
    }
    write_file(folder / "report.json", json.dumps(content, indent=2, allow_nan=False) + "\n")
    write_file(folder / "latency.svg", latency_svg(loop))
    if learning.identified:
        write_file(folder / _IDENTIFIED, learning.identified + "\n")
    if (learned := learning.learned) is not None:
        write_file(folder / _LEARNED, learned)
    return folder
