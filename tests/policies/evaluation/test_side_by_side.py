import numpy as np
from rich.table import Table

from policies.evaluation.side_by_side import side_by_side


def columns(table: Table) -> list[list[str]]:
    return [[str(column.header), *map(str, column.cells)] for column in table.columns]


def test_each_engine_has_its_mean_and_spread_beside_the_others() -> None:
    speeds = np.arange(101) / 100.0
    table = side_by_side({"a": {"survival": np.ones(3)}, "b": {"max_speed": speeds}}, {})
    assert columns(table)[1:] == [
        ["a", "1", "–"],
        ["5 to 95 %", "", ""],
        ["b", "–", "0.5"],
        ["5 to 95 %", "", "0.05 to 0.95"],
    ]


def test_one_engine_has_a_median_and_a_declared_unit_stands_beside_the_name() -> None:
    speeds = np.array([1.0, 2.0, 9.0, np.nan])
    table = side_by_side({"a": {"top_speed": speeds}}, {"top_speed": "m/s"})
    assert [column[0] for column in columns(table)] == ["", "mean", "5 %", "median", "95 %"]
    name, *figures = [column[1] for column in columns(table)]
    assert name.startswith("top_speed ") and "m/s" in name
    assert figures == ["4", "1.1", "2", "8.3"]
