"""Reports the state of a drive on /diagnostics: loop and budget, sensors, estimator, policy."""

from collections.abc import Mapping
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from edge_runtime.fusion.estimate import Health
from edge_runtime.report.run_report import current_warnings, reason, rows
from edge_runtime.safety.rules import Reaction
from sim2edge_ros.edge.drive import Drive

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
_SHARES = (50, 99, 100)  # percentiles of a shadow's latency that are reported
_STANDS = 3.0  # s after the start from which on a loop without a tick counts as standing still
_LATE = 0.05  # share of the rate by which the loop may miss it before that is reported


class Diagnostics:
    """Builds the statuses of a drive; rates are those since the last call.

    Args:
        name: the node's name, with which each status begins.
        drive: the drive that is reported.
    """

    def __init__(self, name: str, drive: Drive) -> None:
        self._name, self._drive = name, drive
        self._counts: dict[str, int] = {}
        self._then: float | None = None

    def statuses(self, now: float) -> list[DiagnosticStatus]:
        """Returns all statuses.

        Args:
            now: s, on any monotonic clock.
        """
        seconds = 0.0 if self._then is None else now - self._then
        self._then = now
        return [
            self._loop(seconds),
            self._sensors(seconds),
            self._estimator(),
            self._policy(),
            self._shadow(),
            self._canary(),
            self._learning(),
        ]

    def _status(self, part: str, level: bytes, message: str, values: Any) -> DiagnosticStatus:
        pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
        return DiagnosticStatus(
            level=level,
            name=f"{self._name}: {part}",
            message=message,
            hardware_id=self._drive.robot.description.name,
            values=pairs,
        )

    def _rate(self, what: str, count: int, seconds: float) -> float:
        """Returns the growth of a count per second; 0 at first."""
        grown = count - self._counts.get(what, count)
        self._counts[what] = count
        return max(grown, 0) / seconds if seconds > 0 else 0.0

    def _loop(self, seconds: float) -> DiagnosticStatus:
        loop = self._drive.loop
        missed = self._rate("missed", loop.budget.missed, seconds)
        rate = self._rate("ticks", loop.ticks, seconds)
        values: dict[str, Any] = {
            "active": self._drive.active,
            "rate_hz": f"{rate:.1f}",
            "wanted_hz": f"{1e9 / loop.period:.1f}",
            "ticks": loop.ticks,
            "missed": loop.budget.missed,
            "samples_lost": loop.sensors.lost,
            "ticks_without_sample": loop.sensors.without_new,
            "reaction": loop.reaction.name.lower(),
            "latched": loop.guard.latched.name.lower(),
        }
        for row in rows(loop):
            values[f"{row.name}_p50_us"] = f"{row.p50 / 1e3:.0f}"
            values[f"{row.name}_p99_us"] = f"{row.p99 / 1e3:.0f}"
            if row.limit is not None:
                values[f"{row.name}_budget_us"] = f"{row.limit / 1e3:.0f}"
            if row.over is not None:
                values[f"{row.name}_over_budget"] = row.over
        values.update({f"realtime_{what}": how for what, how in loop.realtime_report.items()})
        stands = not rate and self._drive.active_for > _STANDS
        level, message = self._judge_loop(missed * 1e-9 * loop.period, stands)
        return self._status("control loop", level, message, values)

    def _judge_loop(self, missed_share: float, stands: bool) -> tuple[bytes, str]:
        loop = self._drive.loop
        if not self._drive.active:
            return OK, "not active"
        if self._drive.others:
            return ERROR, f"{', '.join(self._drive.others)} commands this robot too"
        if stands:
            return ERROR, "it does not tick: no sample comes, or simulated time stands still"
        if loop.stopping:
            return OK, "coming to rest"
        if loop.guard.latched:
            return ERROR, f"{loop.guard.latched.name.lower()}: {reason(loop)}"
        if loop.reaction is not Reaction.NONE:
            return WARN, f"{loop.reaction.name.lower()}: {reason(loop)}"
        if self._drive.audit_failure:
            return WARN, f"the audit log is not written: {self._drive.audit_failure}"
        if loop.observer_failures:
            return WARN, "; ".join(loop.observer_failures)
        if missed_share > _LATE:
            return WARN, f"{missed_share:.0%} of periods missed"
        if self._drive.is_unheard:
            return WARN, "nobody receives the commands; are the robot's controllers active?"
        if warned := current_warnings(loop):
            return WARN, "; ".join(warned)
        settings = loop.realtime_report.items()
        refused = "; ".join(f"{what}: {how}" for what, how in settings if "refused" in how)
        if refused:
            return WARN, refused
        return OK, "policy drives"

    def _sensors(self, seconds: float) -> DiagnosticStatus:
        robot, values = self._drive.robot, {}
        rates = {s.topic: self._rate(s.topic, s.received, seconds) for s in robot.sources}
        for source in robot.sources:
            values[f"{source.topic}_hz"] = f"{rates[source.topic]:.1f}"
            values[f"{source.topic}_rejected"] = str(source.rejected)
        trouble = robot.trouble(explained=True)
        # Simulated time may go at any speed, and so may its messages.
        remarks = robot.remarks({} if self._drive.simulated_time else rates)
        command = self._drive.cmd_vel
        if command.kind:
            values["cmd_vel_type"] = command.kind
            values["cmd_vel_rejected"] = str(command.rejected)
            complaints = (command.complaint, command.incompatible, command.mixed)
            remarks += [f"cmd_vel: {what}" for what in complaints if what]
        if trouble:
            return self._status("sensors", ERROR, "; ".join(trouble), values)
        return self._status("sensors", WARN if remarks else OK, "; ".join(remarks) or "all", values)

    def _estimator(self) -> DiagnosticStatus:
        fusion, name = self._drive.fusion, self._drive.fusion_name
        gives = ", ".join(signal.name for signal in fusion.provides)
        odometry = self._drive.last_estimate()
        wanted = self._drive.parameters.odometry_rate > 0
        values: Mapping[str, Any] = {"estimator": name, "gives": gives}
        if not self._drive.active:
            return self._status("estimator", OK, "not active", values)
        if fusion.lost:
            return self._status("estimator", ERROR, f"lost: {fusion.reason}", values)
        if odometry is not None:
            health = odometry.health
            values = {**values, "health": health.name.lower()}
            if health is not Health.GOOD:
                return self._status("estimator", WARN, odometry.reason, values)
        elif wanted:
            other = "it gives no velocity and position; choose another with parameter 'fusion'"
            return self._status("estimator", OK, f"good, without odometry: {other}", values)
        return self._status("estimator", OK, "good", values)

    def _policy(self) -> DiagnosticStatus:
        policy = self._drive.loop.controller.policy
        contract = policy.contract
        values = {
            "file": policy.source,
            "sha256": policy.sha256,
            "task": contract.task,
            "commit": contract.provenance.commit,
            "swaps": self._drive.loop.swaps,
            "clipped": self._drive.loop.clipped,
            "provider": policy.provider.name,
        }
        choice = self._drive.policies.choice
        if choice.measured:
            values["provider_measured"] = choice.described()
        if choice.diagnostic:
            return self._status("policy", WARN, f"provider: {choice.diagnostic}", values)
        return self._status("policy", OK, contract.task, values)

    def _canary(self) -> DiagnosticStatus:
        """Reports the last policy that was a canary, and what its slots' folder decided."""
        canary, folder = self._drive.policies.last_canary, self._drive.policies.slots_described
        values = {"slots": folder} if folder else {}
        if canary is None:
            return self._status("canary", OK, "no policy was a canary", values)
        verdict = "none yet" if canary.verdict is None else canary.verdict.outcome.value
        values |= {"file": canary.new.source, "sha256": canary.new.sha256, "verdict": verdict}
        return self._status("canary", WARN if canary.why else OK, canary.described(), values)

    def _shadow(self) -> DiagnosticStatus:
        """Reports a policy in shadow; differences are those of targets, rad or rad/s."""
        found = self._drive.policies.comparison()
        if found is None:
            return self._status("shadow", OK, "no policy is in shadow", {})
        values: dict[str, Any] = {
            "file": found.source,
            "sha256": found.sha256,
            "ticks": found.ticks,
            "lost": found.lost,
            "not_finite": found.not_finite,
            "clipped": found.clipped,
            "over_budget": found.over_share,
        }
        values.update({f"p{share}_us": f"{ns / 1e3:.0f}" for share, ns in zip(_SHARES, found.took)})
        for joint, rms in found.rms.items():
            values[f"{joint}_rms"] = f"{rms:.4g}"
            values[f"{joint}_max"] = f"{found.largest[joint]:.4g}"
        level = WARN if found.failure or found.not_finite else OK
        return self._status("shadow", level, found.described(), values)

    def _learning(self) -> DiagnosticStatus:
        learning = self._drive.learning
        now, values = learning.learning, learning.values()
        if now is None:
            level, message = (WARN, learning.failure) if learning.failure else (OK, "none")
            return self._status("learning", level, message, values)
        supervisor = now.supervisor
        failed = supervisor.child.failure or supervisor.failure
        return self._status("learning", WARN if failed else OK, supervisor.state, values)
