"""Joins all that lets a robot learn while it drives: feed, exploration, learner, trials."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_runtime.config.fields import setting
from edge_runtime.console import plain
from edge_runtime.errors import UserError
from edge_runtime.files import write_file
from edge_runtime.learning.beside.limits import Limits, LimitsConfig, read_system
from edge_runtime.learning.beside.lockstep import LockstepPace, SimulatedClock
from edge_runtime.learning.beside.practice import BackOnItsFeet, PracticeCommands, PracticeConfig
from edge_runtime.learning.beside.score import OnboardScore
from edge_runtime.learning.beside.supervisor import Supervisor, TrialConfig
from edge_runtime.learning.feed.exploration import CalmExploration, Exploration
from edge_runtime.learning.feed.feed import Feed
from edge_runtime.learning.feed.feed_layout import FeedLayout
from edge_runtime.learning.identify.device import DEVICE
from edge_runtime.learning.kit import LearnerKit
from edge_runtime.learning.process.job import LearnJob, StoreConfig
from edge_runtime.learning.process.workplace import POLICY_FILE, Workplace
from edge_runtime.learning.reward.onboard_reward import OnboardReward
from edge_runtime.loop.session import Session
from edge_runtime.policy.binding import bind
from edge_runtime.policy.inference import Policy
from edge_runtime.slots.policy_slots import PolicySlots
from edge_runtime.slots.records import Note, no_note
from edge_runtime.slots.slot_folder import SlotFolder

TRIM, ADAPTER, BOTH = "trim", "adapter", "both"
_LAG_SECONDS = 60.0  # by which the learner may be behind before ticks are lost


@dataclass(frozen=True)
class LearningConfig:
    """Sets what a robot learns, from what, and how that is tried."""

    tier: str = TRIM
    """'trim' adapts a few physical numbers of the policy's contract, 'adapter' low-rank matrices
    beside its network, 'both' one after the other; or MODULE:FACTORY of your own."""
    kit: Path | None = None
    """The policy's learner kit; by default the file beside the policy that ends in .kit."""
    store: StoreConfig = StoreConfig()
    turn: float = setting(180.0, at_least=0)
    """How long each tier but the last one learns, s of experience."""
    trials: TrialConfig = field(default_factory=TrialConfig)
    limits: LimitsConfig = LimitsConfig()

    @property
    def tiers(self) -> tuple[str, ...]:
        """Returns the tiers by name, in their order."""
        return (TRIM, ADAPTER) if self.tier == BOTH else (self.tier,)


class Learning:
    """Lets a session's robot learn while it drives.

    The operator's thread calls the methods: `look` while the robot drives, `rest` before it comes
    to rest, `close` after its end.

    Args:
        session: the session, before its start.
        model: the file of its policy.
        config: what is learned, and how.
        folder: where the learner works.
        policy: what the learner begins with, if another one drives already; the kit is its.
        seed: draws exploration and commands, and is the learner's.
        kit: the kit's file, if the config names none; without such a file there is no kit.
        resume: whether to go on from what is in the folder.
        clock: the loop's, if its robot is in lockstep; None in real time.
        slots: the slots on the robot's disk, which follow; None for none.
        policies: the session's policies, which the caller closes; by default its own.
        changing: guards changes of those, if somebody else makes some too.
        note: records what happens.

    Raises:
        UserError: the kit is another policy's, or something cannot be written.
    """

    def __init__(
        self,
        session: Session,
        model: bytes,
        config: LearningConfig,
        folder: Path,
        *,
        policy: Policy | None = None,
        seed: int = 0,
        kit: Path | None = None,
        resume: bool = False,
        clock: SimulatedClock | None = None,
        slots: SlotFolder | None = None,
        policies: PolicySlots | None = None,
        changing: AbstractContextManager[Any] | None = None,
        note: Note = no_note,
    ) -> None:
        self._session, self._config, self._seed, self._clock = session, config, seed, clock
        first = policy or session.policy
        loop, contract = session.loop, first.contract
        robot = loop.robot.description
        path = config.kit or (kit if kit is not None and kit.exists() else None)
        self._kit = None if path is None else LearnerKit.load(path, first.sha256)
        self._to_policy = tuple(bind(contract, robot, loop.fusion).to_policy.tolist())
        self._reward = None
        if self._kit is not None:
            self._reward = OnboardReward(self._kit.config.reward, contract, robot)
        place = Workplace(folder)
        if not resume:
            place.clear()
        elif (folder / POLICY_FILE).exists() and place.first_policy() != model:
            raise UserError(f"{folder} is of another policy's learner; name another folder")
        write_file(folder / POLICY_FILE, model)
        exploration, self._calm = self._explore(config)
        name = f"learn-{os.getpid()}-{time.monotonic_ns()}"
        self._feed = Feed(name, FeedLayout.of(loop, _LAG_SECONDS), exploration, clock is None)
        LearnJob(
            feed=name,
            layout=self._feed.layout,
            robot=robot,
            to_policy=self._to_policy,
            tiers=config.tiers,
            kit=path,
            store=config.store,
            seed=seed,
            lockstep=clock is not None,
            cpu=session.config.realtime.cpu,
            turn=config.turn,
        ).write(folder)
        loop.add_observer(self._feed)
        if self._calm is not None:
            loop.add_observer(self._calm)  # after the feed, which reads what was explored
        self._slots = policies or PolicySlots(session, note=note)
        self._owns_slots = policies is None
        limits = Limits(config.limits, lambda: read_system(folder))
        self.supervisor = Supervisor(
            session,
            self._slots,
            place,
            config.trials,
            limits,
            self._score,
            self._calm,
            slots,
            note,
            changing,
        )
        self._practice: PracticeCommands | None = None
        self._closed = False
        if clock is None:
            self.supervisor.start()

    def practise(self, config: PracticeConfig, commanded: bool) -> None:
        """Lets a robot practise alone that is put back on its feet after a fall.

        Args:
            config: what it is asked for.
            commanded: whether it gets commands by itself.
        """
        loop = self._session.loop
        loop.add_observer(BackOnItsFeet(loop))
        if commanded:
            self._practice = PracticeCommands(loop, config, self._seed)
            loop.add_observer(self._practice)

    def pace(self, seconds: float) -> Callable[[], None] | None:
        """Returns what ticks the loop: in lockstep for so many seconds, None in real time."""
        if self._clock is None:
            return None
        loop, supervisor = self._session.loop, self.supervisor
        ticks = round(seconds * 1e9 / loop.period)
        supervisor.child.look()
        pace = LockstepPace(
            loop, self._clock, self._feed, supervisor.look, supervisor.child.look, ticks
        )
        pace.is_learning = lambda: not supervisor.child.failure
        return pace

    def look(self) -> None:
        """Does nothing: trials have a thread of their own, or the loop's in lockstep."""

    def rest(self) -> None:
        """Ends what is tried, so that a trusted policy brings the robot to rest.

        Raises:
            UserError: the loop does not tick.
        """
        if self._practice is not None:
            self._practice.ended = True
        self.supervisor.rest()

    def close(self) -> None:
        """Ends the learner, and what is tried; call it after the session has ended."""
        if self._closed:
            return
        self._closed = True
        self.supervisor.close()
        if self._owns_slots:
            self._slots.close()
        loop = self._session.loop
        loop.remove_observer(self._feed)
        if self._calm is not None:
            self._calm.paused = True
            loop.remove_observer(self._calm)
            loop.controller.explore = None
        if loop.running:
            time.sleep(2e-9 * loop.period)  # the tick in progress may still be fed
        self._feed.close()

    def shown(self) -> list[str]:
        """Returns lines for a terminal: progress, and the newest proposals."""
        supervisor, progress = self.supervisor, self.supervisor.progress
        minutes = [f"{value:.1f}" for value in progress.get("return_per_minute", [])[-6:]]
        state = supervisor.state
        lines = [
            f"learning: {state}  {progress.get('seconds', 0.0) / 60:.1f} min of experience  "
            f"{progress.get('falls', 0)} falls",
            f"return per minute: {' '.join(minutes) or '(after a minute)'}",
        ]
        tier = progress.get("tier", "")
        known = progress.get("progress", {}).get(tier, {})
        if known:
            lines.append(f"{tier}: " + "  ".join(_told(known)))
        lines += [f"proposal {trial.described()}" for trial in supervisor.trials[-3:]]
        notes = (supervisor.failure, progress.get("note", ""), progress.get("store", ""))
        return [plain(line) for line in (*lines, *filter(None, notes))]

    def lines(self) -> list[str]:
        """Describes at the end what was learned, one line each."""
        trials = self.supervisor.trials
        lines = [f"learned: {plain(self.supervisor.state)}, {len(trials)} proposals"]
        return lines + [f"proposal {plain(trial.described())}" for trial in trials]

    def as_dictionary(self) -> dict[str, Any]:
        """Returns the report's entry."""
        return self.supervisor.as_dictionary()

    @property
    def learned(self) -> bytes | None:
        """Returns the file of the policy that was promoted last and not rolled back; None."""
        return self.supervisor.learned

    @property
    def identified(self) -> str:
        """Returns how the robot is worn, as a device's file says it (JSON); empty if unknown."""
        tiers = self.supervisor.progress.get("progress", {})
        return next((str(of[DEVICE]) for of in tiers.values() if DEVICE in of), "")

    def _explore(self, config: LearningConfig) -> tuple[Exploration | None, CalmExploration | None]:
        """Returns what explores, where a tier needs that."""
        if self._kit is None or config.tiers == (TRIM,):
            return None, None
        loop = self._session.loop
        clip = self._session.policy.contract.action_clip
        exploration = Exploration(self._kit.std, clip, self._seed)
        return exploration, CalmExploration(loop, exploration, self._kit.config.largest_tilt)

    def _score(self) -> OnboardScore | None:
        return None if self._reward is None else OnboardScore(self._reward, self._to_policy)


def _told(progress: Mapping[str, object]) -> list[str]:
    return [f"{name} {_short(value)}" for name, value in progress.items() if name != DEVICE]


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
