"""A child process runs the same sim2edge, however its folder is reached."""

import runpy
from pathlib import Path

from edge_runtime.child_program import child_program

ROOT = Path(__file__).parents[2]


def test_a_linked_folder_does_not_bring_its_neighbours_along(tmp_path: Path) -> None:
    """A user's own sim.py beside the link would be found in that folder."""
    (tmp_path / "edge_runtime").symlink_to(ROOT / "edge_runtime")
    linked = runpy.run_path(str(tmp_path / "edge_runtime" / "child_program.py"))
    assert linked["child_program"]("sim.server") == child_program("sim.server")
