"""Runs `sim2edge run`: drives a robot with a policy inside the latency budget."""

import contextlib
import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edge_runtime.audit.watch import watching
from edge_runtime.config.config_file import to_json
from edge_runtime.config.fields import LONGEST, setting
from edge_runtime.connect import SIMULATED, DriverRequest, connect
from edge_runtime.errors import UserError
from edge_runtime.estimators import AUTO, find_fusion, find_name, find_spare
from edge_runtime.files import check_output, make_folder, write_file
from edge_runtime.loop.budget import BudgetConfig
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.heading_hold import HeadingHoldConfig
from edge_runtime.loop.realtime import RealtimeConfig
from edge_runtime.loop.session import Session
from edge_runtime.operation.drive import drive, possible_robot, refused
from edge_runtime.policy import providers
from edge_runtime.policy.contract import Contract
from edge_runtime.policy.inference import Policy
from edge_runtime.recording.block_file import BlockFile
from edge_runtime.recording.run_recorder import RunRecorder
from edge_runtime.report.latency_picture import latency_svg
from edge_runtime.report.run_report import as_dictionary
from edge_runtime.safety.watchdog import ServiceWatchdog
from edge_runtime.slots.boot_trial import BootTrial, booted
from edge_runtime.slots.records import no_note
from edge_runtime.slots.run_trials import RunTrials, TryoutConfig
from edge_runtime.slots.slot_folder import SlotsConfig, is_slot_folder
from edge_runtime.stop_signals import interruptible

STOPPED_BY_GUARD = 1  # exit code


@dataclass(frozen=True)
class RunConfig:
    """Drive a robot with a policy file."""

    policy: Path
    """The policy file (.onnx), the name of a policy that comes with sim2edge, or a folder of
    'sim2edge slots', whose pending policy is confirmed or rejected by how it drives."""
    robot: str = SIMULATED
    """'sim' for the simulated robot, the name of another driver that is installed, or
    MODULE:FACTORY, which is called without arguments and returns a Robot."""
    seconds: float = setting(
        20.0, "How long to drive; 0 until interrupted.", "s", at_least=0, at_most=LONGEST
    )
    command: tuple[float, ...] = ()
    """The operator's command, one number for each command of the policy; zeros by default."""
    heading: HeadingHoldConfig = HeadingHoldConfig(gain=2.0)
    report: Path = Path("out/run")
    """Folder for report.json and latency.svg."""
    fusion: str = AUTO
    """The estimator: 'vqf' (attitude), 'legged', 'wheeled' or 'wheeled+lidar' (velocity too),
    'robot' (the robot's own estimates), or 'auto' for the simplest that the policy can use."""
    log: Path | None = None
    """Record every sample, estimate and command in this file, for `sim2edge fuse`; an old file
    becomes FILE~. The simulated robot adds the truth."""
    log_limit: float = setting(500.0, unit="MB", above=0)
    """Size at which the log ends, while the robot drives on."""
    shadow: Path | None = None
    """Another policy file or name, which runs on the same ticks and drives nothing; the report
    compares its targets and its latency."""
    provider: str = providers.ON_CPU
    """The execution provider of the network: 'cpu', 'cuda', 'tensorrt', or 'auto' for the fastest
    one here, measured at the start. If it fails, the CPU takes over and the report says why."""
    provider_cache: Path | None = None
    """Folder for compiled engines of a provider; ~/.cache/sim2edge/engines by default."""
    realtime: RealtimeConfig = field(
        default_factory=lambda: RealtimeConfig(fifo=50, lock_memory=True)
    )
    """Real-time settings of the operating system; the report names those that it refused."""
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    """Share of the control period that each stage of a tick may take. A stage that takes more in
    most ticks stops the robot."""
    rehearse: bool = True
    """Run a copy of the control loop shortly before each tick. The tick then finds its code in the
    processor's caches and takes half as long; both together take twice the processor time."""
    seed: int = setting(0, "Seed of the simulated robot's world.", at_least=0)
    randomize: bool = False
    """Draw another simulated robot by the task's domain randomization, and push it."""
    record: Path | None = None
    """Write the simulated robot's motion to this .npz file."""
    audit: Path | None = None
    """Record what drove the robot, and which of the guard's rules broke, in this audit log, which
    'sim2edge audit new' begins."""
    canary: TryoutConfig = TryoutConfig()
    """Try the policy in shadow, or the pending one of a folder, as a canary (--canary)."""
    slots: SlotsConfig = SlotsConfig()
    """How a pending policy is tried, where the policy is a folder of 'sim2edge slots'."""


def main(config: RunConfig) -> int:
    """Runs the command; returns 0, or 1 if the guard had to stop the robot.

    Raises:
        UserError: policy, robot, estimator or options do not fit together, or the robot failed.
    """
    config.canary.check_time(config.seconds)
    if not is_slot_folder(config.policy):
        if config.canary.on and config.shadow is None:
            raise UserError("--canary needs a policy to try; name its file with --shadow")
        return _run(config, None)
    as_canary = config.canary.on
    candidate = config.shadow if as_canary else None
    with booted(
        config.policy, config.slots, "sim2edge run", as_canary=as_canary, candidate=candidate
    ) as trial:
        return _run(config, trial)


def _run(config: RunConfig, trial: BootTrial | None) -> int:
    policy, choice = _load(config, trial)
    if choice.wanted != providers.ON_CPU:
        print(f"provider: {choice.described()}", flush=True)
    tried = _load_tried(config, trial)
    command = policy.contract.command_values(config.command)
    make_folder(config.report)
    if config.record is not None:
        check_output(config.record)
    with (
        _log_file(config) as file,
        watching(config.audit) as watch,
        connect(config.robot, _request(config, policy.contract)) as connected,
        # The second one skips coming to rest. Ctrl-Z would freeze the loop, and the robot would
        # hold its last command.
        interruptible(2, others=(signal.SIGTSTP,)) as interrupted,
    ):
        robot = possible_robot(connected, config.robot, policy.contract)
        name = find_name(config.fusion, policy.contract, robot.description)
        fusion = find_fusion(name, policy.contract, robot.description)
        with contextlib.closing(fusion), contextlib.ExitStack() as stack:
            timing = LoopConfig(config.budget, config.realtime, config.heading)
            spare = None
            if config.rehearse:
                spare = find_spare(name, policy.contract, robot.description)
            if spare is not None:
                stack.enter_context(contextlib.closing(spare))
            session = Session(policy, robot, fusion, timing, spare=spare)
            loop = session.loop
            loop.command.put(command)
            stack.enter_context(contextlib.closing(ServiceWatchdog(lambda: loop.ticks)))
            note = no_note if watch is None else watch.note
            trials = stack.enter_context(
                contextlib.closing(RunTrials(session, config.canary, tried, trial, note))
            )
            log = None if file is None else RunRecorder(file, loop, name)
            if log is not None:
                loop.add_observer(log)
            if watch is not None:
                trials.record(watch)
                watch.begin(policy, config.robot)
                loop.add_observer(watch)
            try:
                drive(session, config.seconds, interrupted, trials)
            finally:
                trials.close()
                for line in trials.lines():
                    print(line)
                if log is not None:
                    log.close(str(loop.error or ""))
                    print(f"log: {log.described()}")
                if watch is not None:
                    trials.record(watch)
                    watch.end(loop)
                    watch.flush()
                    print(f"audit: {watch.described()}")
                print(f"report: {write_run_report(loop, config, choice, log, trials)}")
    return STOPPED_BY_GUARD if loop.guard.latched else 0


def _load(config: RunConfig, trial: BootTrial | None) -> tuple[Policy, providers.Choice]:
    """Loads the policy that the user named, or that its slots' folder gives."""
    where = config.provider, config.provider_cache
    if trial is None:
        return providers.load(config.policy, *where)
    boot = trial.boot
    return providers.load_model(boot.model, boot.policy.source, *where)


def _load_tried(config: RunConfig, trial: BootTrial | None) -> Policy | None:
    """Loads the policy that is tried: in shadow, and then as a canary if that is asked for."""
    if not config.canary.on:
        return None if config.shadow is None else Policy.load(config.shadow)
    where = config.provider, config.provider_cache
    if trial is None:
        assert config.shadow is not None
        return providers.load(config.shadow, *where)[0]
    boot = trial.tried
    return None if boot is None else providers.load_model(boot.model, boot.policy.source, *where)[0]


def _request(config: RunConfig, contract: Contract) -> DriverRequest:
    return DriverRequest(
        task=contract.task,
        seed=config.seed,
        randomize=config.randomize,
        record=config.record,
        command=config.command,
        truth=config.log is not None,
        fifo=max(0, config.realtime.fifo - 1),
    )


@contextlib.contextmanager
def _log_file(config: RunConfig) -> Iterator[BlockFile | None]:
    """Opens the log before anything moves, so that an unwritable file is refused then."""
    if config.log is None:
        yield None
        return
    with contextlib.closing(BlockFile(config.log, round(config.log_limit * 1e6))) as file:
        yield file


def write_run_report(
    loop: ControlLoop,
    config: RunConfig,
    choice: providers.Choice,
    log: RunRecorder | None,
    trials: RunTrials,
) -> Path:
    """Writes report.json and latency.svg into the report's folder; returns the folder."""
    folder = config.report
    content = {
        **as_dictionary(loop),
        "refused": refused(loop.robot),
        "config": to_json(config),
        "inference": choice.as_dictionary(),
        "log": None if log is None else log.as_dictionary(),
        **trials.as_dictionary(),
    }
    report = json.dumps(content, indent=2, allow_nan=False)
    write_file(folder / "report.json", report + "\n")
    write_file(folder / "latency.svg", latency_svg(loop))
    return folder
