"""Runs a simulated robot that waits for each command, with equal results on any machine."""

import time

from edge_runtime.robot.robot import ActuatorCommand
from sim.server.simulated_robot import SimulatedRobot, StopFlag
from sim2edge_ros.simulator.server import RosServer

_PATIENCE = 5.0  # s of the system's clock to wait for a command before time goes on without it
_FIRST = 1.0  # s to wait for the first, which may have been sent before this robot was discovered
_ALONE = 0.05  # s between samples while no node publishes commands
_LOOK = 2e-4  # s between two checks for a command


class LockstepSimulation:
    """Publishes a sample, waits for the command that answers it, and advances by a control period.

    The robot hangs until the first command, as the one in real time does. While no node publishes
    commands time goes on by itself and a robot that was driven damps itself, so that the end of its
    controller has consequences. A controller that publishes is waited for, however slow the
    machine.
    """

    def __init__(self, simulated: SimulatedRobot, server: RosServer) -> None:
        self.simulated, self._server = simulated, server

    def run(self, stop: StopFlag) -> None:
        """Serves until `stop` is set."""
        robot, silence, sequence, hanging = self.simulated, 0.0, 0, True
        robot.hang()
        while not stop:
            if robot.restart_asked:
                robot.restart()
                robot.hang()
                silence, hanging = 0.0, True
            self._server.command()  # a command that answers an earlier sample comes too late
            self._server.publish(robot.sample()._replace(sequence=sequence))
            sequence += 1
            command = self._wait(_FIRST if hanging else _PATIENCE, stop)
            if command is not None:
                robot.apply_command(command)
                hanging, silence = False, 0.0
            else:
                silence += robot.env.config.control_period
            if hanging:
                continue
            if robot.is_without_commands(silence):
                robot.damp()
            robot.advance(robot.env.actuators.control(robot.target[None]))

    def _wait(self, patience: float, stop: StopFlag) -> ActuatorCommand | None:
        now = time.monotonic()
        until, look = now + patience, now + _ALONE
        while now < until and not stop:
            command = self._server.command()
            if command is not None:
                return command
            if now > look:
                if not self._server.has_commander:
                    return None
                look = now + _ALONE
            time.sleep(_LOOK)
            now = time.monotonic()
        return None
