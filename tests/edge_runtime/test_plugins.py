"""What other packages and modules bring is found by name, and what is wrong is said in a line."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from edge_runtime import plugins
from edge_runtime.errors import UserError
from edge_runtime.plugins import Registry


def install(folder: Path, package: str, module: str, source: str, **names: str) -> None:
    """A package as pip leaves it: a module, and its entry points in the group sim2edge.things."""
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    points = "".join(f"{name} = {module}:{value}\n" for name, value in names.items())
    (info / "entry_points.txt").write_text(f"[sim2edge.things]\n{points}")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that packages can be installed into."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(plugins.IMPORT, "")
    caches = (plugins._entry_points, plugins._declared, plugins._import_modules)
    before = set(sys.modules)
    finders = list(sys.meta_path)
    for cached in caches:
        cached.cache_clear()
    yield tmp_path
    for cached in caches:
        cached.cache_clear()
    sys.meta_path[:] = finders
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def things() -> Registry[object]:
    return Registry("sim2edge.things", "thing", lambda thing: isinstance(thing, int), "a number")


def test_a_package_is_imported_when_what_it_brings_is_asked_for(
    folder: Path, things: Registry[object]
) -> None:
    install(folder, "numbers-of-mine", "mine_plugins", "seven = 7", seven="seven")
    assert list(things) == ["seven"]
    assert "mine_plugins" not in sys.modules
    assert things.find("seven") == 7


def test_a_broken_package_breaks_nothing_but_itself(folder: Path, things: Registry[object]) -> None:
    install(folder, "good", "good_plugins", "seven = 7", seven="seven")
    install(folder, "bad", "bad_plugins", "import no_such_module", eight="eight")
    assert list(things) == ["eight", "seven"]
    assert things.find("seven") == 7
    with pytest.raises(UserError, match=r"package 'bad' is broken: its thing 'eight' .*no_such"):
        things.find("eight")


def test_an_entry_point_that_names_nothing_is_refused(
    folder: Path, things: Registry[object]
) -> None:
    install(folder, "bad", "bad_plugins", "", eight="eight")
    with pytest.raises(UserError, match=r"'bad' is broken: its thing 'eight' .*no attribute"):
        things.find("eight")


def test_what_is_of_another_kind_is_refused(folder: Path, things: Registry[object]) -> None:
    install(folder, "bad", "bad_plugins", "eight = 'eight'", eight="eight")
    with pytest.raises(UserError, match="thing 'eight' of package 'bad' is 'str', not a number"):
        things.find("eight")


def test_a_name_that_two_packages_claim_is_refused(folder: Path, things: Registry[object]) -> None:
    install(folder, "one", "one_plugins", "seven = 7", seven="seven")
    install(folder, "other", "other_plugins", "seven = 77", seven="seven")
    with pytest.raises(UserError, match="'seven' is brought by package 'o.*' and by package 'o.*'"):
        things.find("seven")


def test_a_name_of_a_package_cannot_be_registered_by_a_module(
    folder: Path, things: Registry[object]
) -> None:
    install(folder, "one", "one_plugins", "seven = 7", seven="seven")
    things.register("seven")(77)
    with pytest.raises(UserError, match=r"brought by package 'one' and by module '.*test_plugins'"):
        things.find("seven")


def test_two_modules_cannot_register_one_name(things: Registry[object]) -> None:
    things.register("seven", "mine")(7)
    things.register("seven", "mine")(7)  # as a notebook does that runs a cell again
    with pytest.raises(UserError, match="brought by mine and by yours"):
        things.register("seven", "yours")(7)


def test_a_module_cannot_register_two_things_by_one_name_until_it_is_loaded_again(
    folder: Path, things: Registry[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "things", things, raising=False)
    mine = folder / "mine_plugins.py"
    mine.write_text("import sys; sys.things.register('seven')(7)")
    module = importlib.import_module("mine_plugins")
    mine.write_text("import sys; sys.things.register('seven')(7 + 70)")
    importlib.reload(module)
    assert things.find("seven") == 77
    twice = "import sys; sys.things.register('six')(6); sys.things.register('six')(66)"
    mine.write_text(twice)
    with pytest.raises(UserError, match="'six' is brought by mine_plugins and by mine_plugins"):
        importlib.reload(module)


@pytest.mark.parametrize("known", [False, True])
def test_an_entry_point_may_lead_to_what_another_package_registers(
    folder: Path, things: Registry[object], monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    monkeypatch.setattr(sys, "things", things, raising=False)
    (folder / "inner_plugins.py").write_text(
        "import sys\nseven = sys.things.register('seven')(7000)"
    )
    install(folder, "outer", "outer_plugins", "from inner_plugins import seven", seven="seven")
    if known:
        importlib.import_module("inner_plugins")
    assert things.find("seven") == 7000


def test_two_packages_may_bring_the_same_thing(folder: Path, things: Registry[object]) -> None:
    install(folder, "one", "one_plugins", "seven = 7000", seven="seven")
    install(folder, "other", "other_plugins", "from one_plugins import seven", seven="seven")
    assert things.find("seven") == 7000


@pytest.mark.parametrize("name", ["my:thing", "my/thing", "my..thing", "7th"])
def test_what_is_no_modules_name_is_refused_as_such(folder: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"'{name}' is no module's name"):
        plugins.import_everywhere([name])
    assert os.environ[plugins.IMPORT] == ""


def test_a_folder_of_modules_that_is_not_there_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(plugins.IMPORT, "my:thing")
    with pytest.raises(UserError, match="SIM2EDGE_IMPORT names the folder 'my', which is not"):
        plugins.import_modules()


def test_a_module_that_looks_names_up_does_not_begin_with_those_after_it(
    folder: Path, things: Registry[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "my_first.py").write_text("import sys; list(sys.things); seven = 7")
    (folder / "my_second.py").write_text(
        "import sys; from my_first import seven; sys.things.register('seven')(seven)"
    )
    monkeypatch.setattr(sys, "things", things, raising=False)
    monkeypatch.setenv(plugins.IMPORT, f"{folder}:my_first,my_second")
    assert things.find("seven") == 7


def test_an_unknown_name_gets_a_suggestion(things: Registry[object]) -> None:
    things.register("seven")(7)
    with pytest.raises(UserError, match="unknown thing 'sevn'"):
        things.find("sevn")
    known = Registry[object]("sim2edge.tasks", "task")
    with pytest.raises(UserError, match=r"unknown task 'VehicelTrack'; did you mean 'VehicleTr"):
        known.find("VehicelTrack")


def test_modules_of_the_working_folder_are_imported_and_shadow_nothing(
    folder: Path, things: Registry[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = folder / "here"
    here.mkdir()
    (here / "my_things.py").write_text("import sim, sys; sys.things.register('seven')(7)")
    (here / "sim.py").write_text("raise SystemExit('not the simulator')")
    monkeypatch.setattr(sys, "things", things, raising=False)
    monkeypatch.chdir(here)
    plugins.import_everywhere(["my_things"])
    assert os.environ[plugins.IMPORT] == f"{here}:my_things"
    monkeypatch.chdir(folder)
    assert things.find("seven") == 7


def test_modules_of_another_folder_stay_beside_those_of_this_one(
    folder: Path, things: Registry[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "things", things, raising=False)
    for name, value in (("there", 7), ("here", 8)):
        (folder / name).mkdir()
        source = f"import sys; sys.things.register('{name}')({value})"
        (folder / name / f"my_{name}.py").write_text(source)
    monkeypatch.setenv(plugins.IMPORT, f"{folder / 'there'}:my_there")
    monkeypatch.chdir(folder / "here")
    plugins.import_everywhere(["my_here"])
    assert [things.find(name) for name in ("there", "here")] == [7, 8]
    assert os.environ[plugins.IMPORT] == f"{folder}/there:my_there;{folder}/here:my_here"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (None, "no module 'my_things' is installed or in "),
        ("import no_such_module", "module 'my_things' cannot be imported: ModuleNotFoundError"),
        ("def f(:", "module 'my_things' cannot be imported: SyntaxError"),
    ],
)
def test_a_module_that_cannot_be_imported_is_refused(
    folder: Path, source: str | None, said: str
) -> None:
    if source is not None:
        (folder / "my_things.py").write_text(source)
    with pytest.raises(UserError, match=said):
        plugins.import_everywhere(["my_things"])


def test_every_entry_point_of_this_package_leads_somewhere() -> None:
    groups = ("tasks", "terms", "estimators", "recipes")
    ours = [p for group in groups for p in entry_points(group=f"sim2edge.{group}")]
    assert len({point.group for point in ours}) == len(groups)
    for point in ours:
        assert point.load() is not None


def test_looking_for_packages_takes_no_time_to_speak_of() -> None:
    program = (
        "import time\n"
        "from edge_runtime.observation.terms import TERMS\n"
        "start = time.perf_counter(); TERMS.find('joint_vel')\n"
        "print(time.perf_counter() - start)"
    )
    took = [
        float(subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE).stdout)
        for _ in range(3)
    ]
    assert min(took) < 0.2
