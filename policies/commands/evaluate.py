"""Runs `sim2edge eval`: a policy's figures as a table, as JSON, as a page, and as a gate for CI."""

from edge_runtime.files import check_output
from policies.commands.evaluate_config import EvaluateConfig
from policies.commands.evaluate_episodes import run_episodes
from policies.commands.evaluate_suite import run_suite

__all__ = ["EvaluateConfig", "main"]


def main(config: EvaluateConfig) -> int:
    """Runs the command.

    Returns:
        0, or 1 when the gate was missed, or episodes or trials are missing.

    Raises:
        UserError: there is no such policy, or an option, the suite or the gate cannot be used.
    """
    config.check()
    film = config.films and config.films / "film.mp4"
    for path in filter(None, (config.json, config.junit, config.report, film)):
        check_output(path)
    return run_suite(config) if config.suite else run_episodes(config)
