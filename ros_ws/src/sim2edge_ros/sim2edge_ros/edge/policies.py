"""Keeps the policies of a drive: reads and tries them, and keeps a folder of slots in step."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from weakref import WeakKeyDictionary

from edge_runtime.audit.watch import AuditWatch
from edge_runtime.errors import ContractError, UserError
from edge_runtime.loop.session import Session
from edge_runtime.policy import providers
from edge_runtime.policy.inference import Policy, read_model
from edge_runtime.policy.shipped import kit_path
from edge_runtime.slots.boot_trial import BootTrial, booted
from edge_runtime.slots.canary import Canary, CanaryConfig
from edge_runtime.slots.comparison import Comparison
from edge_runtime.slots.envelope import EnvelopeConfig
from edge_runtime.slots.policy_slots import PolicySlots
from edge_runtime.slots.probation import ProbationConfig
from edge_runtime.slots.records import Note
from edge_runtime.slots.slot_folder import SlotFolder, SlotsConfig, is_slot_folder
from sim2edge_ros.settings.parameters import EdgeParameters
from sim2edge_ros.settings.robot_file import default_policy

SERVICE = "sim2edge_ros"  # who asks, for the folder's record


class Policies:
    """Reads policies, and lets the operator load, try, promote and roll them back.

    A policy that drives from a folder of slots is confirmed or rejected there, and so is one that
    was a canary. The thread of the services calls the methods for operators and `look`; that of
    the node's states the others.

    Args:
        parameters: the edge node's parameters.
        boot: what a folder of slots gave to drive; None without a folder.
        changing: guards changes of policies, and what else the drive guards by it.

    Raises:
        UserError: the policy cannot be read.
    """

    def __init__(
        self, parameters: EdgeParameters, boot: BootTrial | None, changing: threading.RLock
    ) -> None:
        self._parameters, self._boot, self._changing = parameters, boot, changing
        self._choices: WeakKeyDictionary[Policy, providers.Choice] = WeakKeyDictionary()
        self._models: WeakKeyDictionary[Policy, bytes] = WeakKeyDictionary()
        if boot is None:
            self.first = self._read(_named(parameters))
        else:
            self.first = self._load(boot.boot.model, boot.boot.policy.source)
        self._session: Session | None = None
        self._slots: PolicySlots | None = None
        self._judging = threading.Lock()  # guards the folder; writing it takes time
        self.active = False  # whether a loop drives the robot
        self._closed = False

    def join(self, session: Session, note: Note) -> None:
        """Keeps the policies of a session, before its start; `note` records what happens."""
        self._session, self._slots = session, PolicySlots(session, note=note)

    @property
    def slots(self) -> PolicySlots:
        """Returns the session's policies, for what tries others by itself.

        Raises:
            UserError: there is no session yet.
        """
        if self._slots is None:
            raise UserError("the node is not configured")
        return self._slots

    @property
    def first_model(self) -> bytes:
        """Returns the file of the policy that drove first."""
        return self._models[self.first]

    @property
    def kit(self) -> Path | None:
        """Returns where the first policy's learner kit may be; None for one of a folder."""
        return None if self._boot is not None else kit_path(_named(self._parameters))

    @property
    def folder(self) -> SlotFolder | None:
        """Returns the folder of slots; None without one."""
        return None if self._boot is None else SlotFolder(_named(self._parameters))

    @property
    def choice(self) -> providers.Choice:
        """Returns the execution provider of the policy that drives, and why it was chosen."""
        assert self._session is not None
        return self._choices.get(self._session.policy, self._choices[self.first])

    @property
    def last_canary(self) -> Canary | None:
        """Returns the last policy that was a canary, with its verdict once it has one."""
        return None if self._slots is None else self._slots.last_canary

    @property
    def slots_described(self) -> str:
        """Says in one line what a folder of slots has decided; empty without a folder."""
        return "" if self._boot is None else self._boot.described()

    def comparison(self) -> Comparison | None:
        """Compares the policy in shadow, or the last one there, with the driver; None without."""
        return None if self._slots is None else self._slots.comparison()

    # -- the operator's side ---------------------------------------------------------------

    def load(self, path: Path) -> None:
        """Lets another policy file drive, from the next tick or start on.

        Raises:
            UserError: the file fails its check or does not fit; the policy before goes on.
        """
        policy = self._read(path)
        with self._open() as slots:
            slots.load(policy)

    def try_out(self, path: Path) -> None:
        """Puts a policy file in shadow, in place of the policy there.

        Raises:
            UserError: the file fails its check or does not fit, or the node is not active.
        """
        policy = self._read(path)
        with self._open(is_active=True) as slots:
            slots.shadow(policy)

    def canary(self, path: Path | None) -> Canary:
        """Lets the policy in shadow take turns with the driver, or else a file, or else the
        folder's pending one.

        Args:
            path: the file; None for none.

        Raises:
            UserError: there is none, it does not fit, another canary drives, or the node is not
                active.
        """
        with self._open(is_active=True) as slots:
            policy = slots.shadowed
        if policy is None and path is not None:
            policy = self._read(path)
        with self._judging:
            if policy is None:
                policy = self._pending()
            elif self._boot is not None:
                self._boot.try_out(self._models[policy], policy.source, SERVICE)
        try:
            with self._open(is_active=True) as slots:
                return slots.canary(policy, _canary_config(self._parameters))
        except ContractError as error:
            if self._boot is not None:
                with self._judging:
                    self._boot.refuse(str(error))
            raise

    def promote(self) -> None:
        """Lets the policy in shadow or the canary drive from the next tick on.

        Raises:
            UserError: there is none, some of its actions were not finite, or the node is not
                active.
        """
        with self._open(is_active=True) as slots:
            slots.promote()

    def roll_back(self) -> None:
        """Lets the policy drive that did before the canary, or the last `load` or `promote`.

        Raises:
            UserError: no other policy drove before.
        """
        with self._open() as slots:
            canary = slots.last_canary
            driver = canary.new if canary is not None and slots.is_trying else slots.driver
            slots.roll_back()
        if self._boot is not None:
            with self._judging:
                self._boot.rolled_back(driver, SERVICE)

    def look(self) -> None:
        """Judges the folder's policy by how it drives; call it now and then."""
        if self._boot is None or self._session is None:
            return
        with self._judging:
            if not self._closed and self.active:
                self._boot.look(self._session.loop, self.last_canary)

    # -- the side of the node's states -----------------------------------------------------

    def rest(self) -> None:
        """Lets the policy before a canary drive again, which brings the robot to rest.

        Raises:
            UserError: the loop does not tick.
        """
        if self._slots is not None:
            self._slots.end_canary("the node was deactivated", timeout=1.0)

    def end(self) -> None:
        """Ends what is tried, after the loop has ended."""
        with self._changing:
            if self._slots is not None:
                self._slots.settle()
                self._slots.drop()
        self.look()
        self.active = False

    def record(self, watch: AuditWatch) -> None:
        """Records in the audit log what was done with the folder's policies."""
        if self._boot is not None:
            with self._judging:
                self._boot.record(watch)

    def close(self) -> None:
        """Ends the threads of the slots; after it, the operator is refused."""
        with self._judging:
            self._closed = True
        if self._slots is not None:
            self._slots.close()

    def _pending(self) -> Policy:
        boot = None if self._boot is None else self._boot.tried
        if boot is None:
            raise UserError(
                "no policy is in shadow, and parameter 'candidate' is empty; set it to a policy "
                "file (.onnx)"
            )
        return self._load(boot.model, boot.policy.source)

    def _read(self, path: Path) -> Policy:
        return self._load(read_model(path), str(path))

    def _load(self, model: bytes, source: str) -> Policy:
        """Loads a policy on the wanted provider or else the CPU, and keeps the reason."""
        cache = self._parameters.provider_cache
        where = self._parameters.provider, Path(cache) if cache else None
        policy, choice = providers.load_model(model, source, *where)
        self._choices[policy], self._models[policy] = choice, model
        return policy

    @contextmanager
    def _open(self, *, is_active: bool = False) -> Iterator[PolicySlots]:
        """Guards a change of policies; refuses it if the node was cleaned up meanwhile."""
        with self._changing:
            if self._closed or self._slots is None:
                raise UserError("the node was cleaned up meanwhile; configure it first")
            if is_active and not self.active:
                raise UserError(
                    "the node is not active, so there is nothing to compare a policy with"
                )
            yield self._slots


@contextmanager
def policies_of(parameters: EdgeParameters, changing: threading.RLock) -> Iterator[Policies]:
    """Yields the policies of an edge node: of a file, or of a folder of slots.

    Raises:
        UserError: the file or folder cannot be read, or no policy of it may drive.
    """
    path = _named(parameters)
    config = SlotsConfig(boots=parameters.slots_boots, confirm_after=parameters.slots_confirm_after)
    waits = parameters.pending_policy == "waits"
    is_folder = is_slot_folder(path)
    with booted(path, config, SERVICE, as_canary=waits) if is_folder else nullcontext() as boot:
        made = Policies(parameters, boot, changing)
        try:
            yield made
        finally:
            made.close()


def _named(parameters: EdgeParameters) -> Path:
    named = Path(parameters.policy) if parameters.policy else default_policy(parameters.robot)
    return named.expanduser()


def _canary_config(parameters: EdgeParameters) -> CanaryConfig:
    return CanaryConfig(
        slice_seconds=parameters.canary_slice_seconds,
        slices=parameters.canary_slices,
        misses=parameters.canary_misses,
        envelope=EnvelopeConfig(
            tilt_share=parameters.canary_tilt_share,
            lean=parameters.canary_lean,
            action=parameters.canary_action,
        ),
        probation=ProbationConfig(seconds=parameters.probation_seconds),
    )
