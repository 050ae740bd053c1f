import subprocess
from pathlib import Path

import pytest

from edge_runtime.policy.inference import Policy
from edge_runtime.policy.inspection import describe


@pytest.mark.parametrize("columns", [72, 100, 160])
def test_a_policys_long_facts_fit_the_terminal(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands that made it can be pasted into a shell."""
    monkeypatch.setenv("COLUMNS", str(columns))
    policy = Policy.load(Path("HumanoidVelocity"))
    lines = describe(policy)
    head = lines[: lines.index("")]
    assert max(map(len, head)) <= columns
    first = next(i for i, line in enumerate(head) if line.startswith("  by  "))
    made = [head[first].replace("  by  ", "      ", 1), *head[first + 1 : -1]]
    shell = "\n".join(made).replace("sim2edge", "echo sim2edge")
    said = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout
    wanted = policy.contract.provenance.command.split(" && ")
    assert said.splitlines() == wanted
