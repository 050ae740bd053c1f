"""The page as a reader's program sees it: parsed, with figures compared to what was given."""

import dataclasses
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.policy.contract import Contract
from edge_runtime.policy.inference import Policy
from policies.evaluation.gate import Gate
from policies.evaluation.quantities import with_unit
from policies.evaluation.suite_result import PushResult, SuiteResult, TrialResult
from policies.film.small_film import Film
from policies.report.charts import Axis
from policies.report.evaluation_report import EvaluationReport, bounds_of
from policies.report.influences import influences
from policies.report.page import page, write_report

HOSTILE = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;\x00"
VOID = {"br", "col", "img", "meta"}
POLICIES = Path(__file__).parents[3] / "assets" / "policies"


class Reader(HTMLParser):
    """Tags, attributes, tables and text of a page; fails where elements do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._open: list[str] = []
        self._rows: list[list[str]] = []
        self._caption = ""
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self._rows, self._caption = [], ""
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag == "table":
            rows = [[" ".join(cell.split()) for cell in row] for row in self._rows]
            self.tables[self._caption] = rows

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] in ("style", "script"):
            return
        self.texts.append(data)
        if self._open[-1] == "caption":
            self._caption += data
        elif "td" in self._open or "th" in self._open:
            self._rows[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def suite(engine: str = "mujoco", count: int = 20, failures: int = 5, seed: int = 0) -> SuiteResult:
    """Made-up trials, the first `failures` of which fell after a push."""
    rng = np.random.default_rng(seed)
    trials = []
    for k in range(count):
        ok = k >= failures
        pushes = (
            PushResult(
                1.0, float(rng.uniform(-math.pi, math.pi)), float(rng.uniform(50, 300)), True
            ),
            PushResult(2.0, 0.5 * math.pi, 400.0 + k, ok),
        )
        trials.append(
            TrialResult(
                trial=k,
                seed=7,
                engine=engine,
                settings={"friction": float(rng.uniform(0.4, 1.2)), "payload_kg": float(ok)},
                success=ok,
                seconds=60.0 if ok else 2.0 + k,
                why="completed" if ok else f"fell at {2 + k}.0 s, 0.4 s after 400 N from the right",
                metrics={"velocity_error": float(rng.gamma(9, 0.01))},
                pushes=pushes,
            )
        )
    return SuiteResult(
        "gauntlet", "walk.onnx", "HumanoidVelocity", engine, tuple(trials), seed=7, planned=count
    )


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Policy.load(POLICIES / "HumanoidVelocity.onnx").contract


def test_figures_of_the_page_are_those_of_the_results(contract: Contract) -> None:
    results = (suite("mujoco", 20, 5), suite("bullet", 40, 8, seed=1))
    read = Reader(page(EvaluationReport(results, contract)))
    rows = read.tables["Trials completed, by engine"][1:]
    assert [row[:4] for row in rows] == [
        ["MuJoCo", "20", "15", "75.0 %"],
        ["PyBullet", "40", "32", "80.0 %"],
    ]
    assert rows[0][4] == "53.1 % to 88.8 %"  # Wilson's, of 15 in 20
    medians = read.tables["Median and spread of every metric, by engine"]
    row = next(r for r in medians if r[0].startswith("velocity error"))
    for k, result in enumerate(results):
        values = [t.metrics["velocity_error"] for t in result.trials]
        median, spread, mean, count = row[1 + 4 * k : 5 + 4 * k]
        assert median == f"{np.median(values):.3g}"
        low, high = np.quantile(values, (0.05, 0.95))
        assert spread == f"{low:.3g} to {high:.3g}"
        assert (mean, count) == (f"{np.mean(values):.3g}", str(len(values)))
    assert read.tables["Trials by kind of failure and engine"][1:] == [["fell", "5", "8"]]


def test_every_trial_is_there_with_the_command_that_shows_it_again(contract: Contract) -> None:
    result = suite()
    rows = Reader(page(EvaluationReport((result,), contract))).tables["Every trial in MuJoCo"]
    heads, trials = rows[0], rows[1:]
    assert len(trials) == len(result.trials)
    for row, trial in zip(trials, result.trials):
        cells = dict(zip(heads, row))
        assert cells["trial"] == str(trial.trial)
        assert cells["result"] == ("✓ completed" if trial.success else "✗ failed")
        assert cells["what happened"] == trial.why
        assert cells["friction"] == f"{trial.settings['friction']:.4g}"
        assert cells["pushes survived"] == f"{1 + trial.success} of 2"
        assert cells["to see it again"] == result.replay(trial)


def test_the_contract_and_its_provenance_are_told(contract: Contract) -> None:
    read = Reader(page(EvaluationReport((suite(),), contract, origin={"commit": "c0ffee"})))
    of = contract.provenance
    texts = (of.commit, of.normalizer_sha256, of.hardware, f"{of.steps:,}", of.command, "c0ffee")
    assert all(text in read.text for text in texts)
    terms = read.tables["Observation terms"][1:]
    assert [row[0].replace(" ", "_") for row in terms] == [t.name for t in contract.observations]
    assert [int(row[1]) for row in terms] == list(contract.term_sizes)
    assert [row[0].replace(" ", "_") for row in read.tables["Actuators"][1:]] == list(
        contract.joint_names
    )


@pytest.mark.parametrize(
    ("bound", "words", "margin"),
    [(0.7, "Gate passed", "+0.05"), (0.85, "Gate missed", "−0.1")],
)
def test_the_verdict_is_the_gates(bound: float, words: str, margin: str) -> None:
    result = suite(count=20, failures=5)
    gate = Gate("gate.toml", {"completed": bound}, {"velocity_error": 100.0})
    bounds = bounds_of(gate, {"mujoco": result.summary()})
    assert all(b.met for b in bounds) == all(
        line.startswith("met") for line in gate.judge(result.summary()).values()
    )
    read = Reader(page(EvaluationReport((result,), bounds=bounds)))
    assert words in read.text
    row = read.tables["Bounds of the gate"][1]
    assert row[:5] == ["completed", "MuJoCo", "0.75", f"≥ {bound:g}", margin]


@pytest.mark.parametrize(
    ("figure", "goal", "drawn"),
    [
        ("completed", "completed", True),
        ("survival", "completed", False),  # of another share
        ("survival", "survived", True),
    ],
)
def test_the_bound_is_drawn_beside_the_share_that_it_is_of(
    figure: str, goal: str, drawn: bool
) -> None:
    bounds = bounds_of(Gate("g", {figure: 0.7}, {}), {"mujoco": {figure: 0.8}})
    text = Reader(page(EvaluationReport((suite(),), bounds=bounds, goal=goal))).text
    assert ("The upright line is the share that the gate asks for" in text) == drawn


def test_what_was_not_measured_misses_its_bound() -> None:
    bounds = bounds_of(Gate("g", {}, {"lap_time": 20.0}), {"mujoco": {"completed": 1.0}})
    text = Reader(page(EvaluationReport((suite(),), bounds=bounds))).text
    assert "Gate missed" in text
    assert "Lap time (MuJoCo) was not measured" in text


def test_without_a_gate_nothing_is_passed_or_missed() -> None:
    text = Reader(page(EvaluationReport((suite(),)))).text
    assert "No gate was asked for" in text
    assert "Gate passed" not in text and "Gate missed" not in text


def test_hostile_names_are_text(contract: Contract) -> None:
    trial = dataclasses.replace(
        suite().trials[0],
        why=HOSTILE,
        engine=HOSTILE,
        settings={HOSTILE: 1.0, "friction": 0.5},
        metrics={HOSTILE: 1.0},
    )
    result = SuiteResult(HOSTILE, HOSTILE, HOSTILE, HOSTILE, (trial,), note=HOSTILE)
    actuator = dataclasses.replace(contract.actuators[0], name=HOSTILE)
    hostile = dataclasses.replace(
        contract,
        actuators=(actuator, *contract.actuators[1:]),
        robot=HOSTILE,
        provenance=dataclasses.replace(contract.provenance, commit=HOSTILE, command=HOSTILE),
    )
    gate = Gate(HOSTILE, {HOSTILE: 1.0}, {})
    evaluation = EvaluationReport(
        (result,),
        hostile,
        bounds_of(gate, {HOSTILE: {HOSTILE: 2.0}}),
        (Film(HOSTILE, 0, b"x"),),
        goal=HOSTILE,
        command=HOSTILE,
        origin={"commit": HOSTILE, "hardware": HOSTILE, "versions": {HOSTILE: HOSTILE}},
    )
    read = Reader(page(evaluation))
    assert read.tags.count("script") == 1
    assert "img" not in read.tags
    assert not [name for _, name, _ in read.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in read.text
    assert "\x00" not in page(evaluation)


def test_the_page_needs_no_network(contract: Contract) -> None:
    film = Film("mujoco", 0, b"an mp4", b"a jpeg")
    text = page(EvaluationReport((suite(),), contract, films=(film,)))
    read = Reader(text)
    loaded = [value for _, name, value in read.attributes if name in ("src", "poster", "srcset")]
    assert loaded and all(value.startswith("data:") for value in loaded)
    links = [value for _, name, value in read.attributes if name == "href"]
    assert links and all(link.startswith("#") for link in links)
    assert not {"link", "iframe", "object", "embed", "base"} & set(read.tags)
    assert not re.findall(r"url\((?!#)|@import|https?://", text)
    rule = next(value for tag, name, value in read.attributes if (tag, name) == ("meta", "content"))
    assert rule.startswith("default-src 'none'")


def test_links_and_labels_lead_somewhere(contract: Contract) -> None:
    read = Reader(page(EvaluationReport((suite(),), contract)))
    names = [value for _, name, value in read.attributes if name == "id"]
    assert len(names) == len(set(names))
    wanted = [value[1:] for _, name, value in read.attributes if name == "href"]
    wanted += [value for _, name, value in read.attributes if name == "aria-labelledby"]
    assert wanted and set(wanted) <= set(names)


def test_every_picture_has_words_or_is_decoration(contract: Contract) -> None:
    read = Reader(page(EvaluationReport((suite(),), contract)))
    text = page(EvaluationReport((suite(),), contract))
    pictures = re.findall(r"<svg[^>]*>", text)
    assert len(pictures) == read.tags.count("svg") > 5
    assert all('aria-hidden="true"' in p or re.search(r'aria-label="[^"]+"', p) for p in pictures)


def test_films_of_the_worst_are_embedded(contract: Contract) -> None:
    films = (Film("mujoco", 3, b"three", b"jpeg"), Film("mujoco", 99, b"nobody"))
    read = Reader(page(EvaluationReport((suite(),), contract, films=films)))
    sources = [value for tag, name, value in read.attributes if (tag, name) == ("video", "src")]
    assert sources == ["data:video/mp4;base64,dGhyZWU="]
    assert "Trial 3 in MuJoCo: fell at 5.0 s" in " ".join(v for _, _, v in read.attributes)


def test_all_went_well(contract: Contract) -> None:
    read = Reader(page(EvaluationReport((suite(failures=0),), contract)))
    assert read.tables["Trials completed, by engine"][1][:4] == ["MuJoCo", "20", "20", "100.0 %"]
    assert "No trial failed" in read.text
    assert "The worst trials" not in read.text
    film = Film("mujoco", 3, b"three")
    assert (
        "this is how a successful one looks"
        in Reader(page(EvaluationReport((suite(failures=0),), contract, films=(film,)))).text
    )


@pytest.mark.parametrize("failures", [0, 1])
def test_one_trial_is_enough(failures: int) -> None:
    read = Reader(page(EvaluationReport((suite(count=1, failures=failures),))))
    row = read.tables["Trials completed, by engine"][1]
    assert row[1:3] == ["1", str(1 - failures)]


def test_nothing_finished_says_so(contract: Contract) -> None:
    nothing = dataclasses.replace(suite(), trials=(), note="Interrupted.")
    read = Reader(page(EvaluationReport((nothing,), contract)))
    assert "No trial was finished" in read.text
    assert "Interrupted." in read.text
    assert read.tables["Trials completed, by engine"][1][:4] == ["MuJoCo", "0", "0", "–"]
    assert "No gate was asked for" in Reader(page(EvaluationReport(()))).text


def test_an_interrupted_suite_tells_how_many_are_missing() -> None:
    result = dataclasses.replace(suite(count=20), planned=100)
    assert "20 of 100 planned trials finished" in Reader(page(EvaluationReport((result,)))).text


def test_trials_are_counted_by_engine() -> None:
    both = (suite("mujoco", 20), suite("bullet", 12))
    text = Reader(page(EvaluationReport(both))).text
    assert "walk.onnx · 20 trials in MuJoCo and 12 trials in PyBullet · " in text


def test_an_interruption_is_told_once() -> None:
    note = "interrupted: 20 of 100 trials had finished"
    result = dataclasses.replace(suite(), planned=100, interrupted=True, note=note)
    text = Reader(page(EvaluationReport((result,)))).text
    assert note in text and text.count("20 of 100") == 1


def test_films_that_are_missing_are_mentioned_beside_those_that_are_there() -> None:
    why = "the evaluation was interrupted"
    none = Reader(page(EvaluationReport((suite(),), no_films=why))).text
    assert f"There are no films: {why}." in none
    some = Reader(
        page(EvaluationReport((suite(),), films=(Film("mujoco", 0, b"mp4"),), no_films=why))
    )
    assert f"There are no more films: {why}." in some.text


def with_more(settings: tuple[str, ...] = (), metrics: tuple[str, ...] = ()) -> SuiteResult:
    """Trials with settings that grow with their number, and metrics that tell success."""
    trials = [
        dataclasses.replace(
            trial,
            settings={**trial.settings, **dict.fromkeys(settings, float(trial.trial))},
            metrics={**trial.metrics, **dict.fromkeys(metrics, float(trial.success))},
        )
        for trial in suite().trials
    ]
    return dataclasses.replace(suite(), trials=tuple(trials))


def test_what_only_names_something_is_no_cause() -> None:
    """The first trials fail: whatever grows with the trial's number sets them apart."""
    result = with_more(settings=("wind_N", "track"))
    assert {i.name for i in influences(result)} == {"friction", "payload_kg", "wind_N"}
    text = page(EvaluationReport((result,)))
    assert "Share of success by wind" in text and "Share of success by track" not in text
    unlike = re.findall(r"<li><strong>(.*?)</strong>", text)
    assert "wind" in unlike and "track" not in unlike
    assert "track" in Reader(text).tables["Every trial in MuJoCo"][0]


def test_every_fault_is_told_with_its_reaction_and_end() -> None:
    def met(number: int, why: str, **metrics: float) -> TrialResult:
        return TrialResult(number, 0, "mujoco", {}, True, 3.0, why, metrics)

    trials = (
        met(
            0, "IMU frozen: stop (frozen) after 60 ms; fell", reaction_s=0.06, of_declared_time=1.0
        ),
        met(1, "foot force frozen: no reaction; goes on"),
        met(2, "IMU frozen: stop (frozen) after 50 ms; damped", reaction_s=0.05),
    )
    result = SuiteResult("faults", "walk.onnx", "HumanoidVelocity", "mujoco", trials)
    read = Reader(page(EvaluationReport((result,), goal="as declared")))
    assert read.tables["Reactions and ends, by fault"][1:] == [
        ["IMU frozen", "stop (frozen) after 60 ms", "60 ms", "100 %", "fell 1, damped 1"],
        ["foot force frozen", "no reaction", "–", "–", "goes on"],
    ]
    assert "Reactions and ends, by fault" not in Reader(page(EvaluationReport((suite(),)))).tables


def test_yes_or_no_is_a_share_and_no_distribution() -> None:
    result = with_more(metrics=("lapped",))
    read = Reader(text := page(EvaluationReport((result,))))
    table = read.tables["Median and spread of every metric, by engine"]
    assert next(row for row in table if row[0] == "lapped")[1:] == ["–", "–", "75.0 %", "20"]
    assert "velocity error in MuJoCo" in text and "lapped in MuJoCo" not in text


def test_the_figures_along_an_axis_differ() -> None:
    texts = [text for _, text in Axis(0.9961, 1.0031, 0.0, 100.0).ticks]
    assert texts == ["0.998", "1", "1.002"]


def test_short_times_are_in_milliseconds() -> None:
    assert with_unit("action_delay_s", 3.32e-05) == "0.0332 ms"
    assert with_unit("lap_time", 20.0) == "20 s"
    assert with_unit("lap_time", 0.0) == "0 s"
    assert with_unit("friction", 0.05) == "0.05"


def test_numbers_that_are_none_leave_a_dash(contract: Contract) -> None:
    trials = list(suite().trials)
    trials[0] = dataclasses.replace(
        trials[0],
        seconds=math.nan,
        settings={"friction": math.inf},
        metrics={"velocity_error": math.nan, "lap_time": math.inf},
        pushes=(PushResult(1.0, math.nan, math.nan, False), PushResult(1.0, 0.0, 0.0, False)),
    )
    result = dataclasses.replace(suite(), trials=tuple(trials))
    text = page(EvaluationReport((result,), contract))
    read = Reader(text)
    assert dict(zip(*read.tables["Every trial in MuJoCo"][:2]))["velocity error m/s"] == "–"
    medians = read.tables["Median and spread of every metric, by engine"]
    assert next(r for r in medians if r[0].startswith("velocity error"))[4] == "19"
    assert next(r for r in medians if r[0].startswith("lap time"))[1:] == ["–", "–", "–", "0"]
    assert not re.search(r'="[^"]*\b(?:nan|inf)\b', text)  # no coordinates of nowhere


def test_a_thousand_trials_stay_small_enough_to_send(contract: Contract) -> None:
    results = tuple(suite(engine, 1000, 200) for engine in ("mujoco", "bullet"))
    films = tuple(Film("mujoco", k, bytes(250_000)) for k in range(4))
    assert len(page(EvaluationReport(results, contract, films=films)).encode()) < 4_000_000


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_stands_out(scheme: int) -> None:
    rules = re.findall(r":root \{(.*?)\}", page(EvaluationReport(())), re.DOTALL)
    colours = dict(re.findall(r"--(\w+): #(\w+)", rules[0]))
    colours |= dict(re.findall(r"--(\w+): #(\w+)", rules[scheme]))
    grounds = {"page", "card", "okbg", "badbg"}
    pairs = {(text, ground) for text in ("ink", "soft") for ground in (*grounds, "code")}
    pairs |= {("ok", "page"), ("ok", "card"), ("ok", "okbg")}
    pairs |= {("bad", "page"), ("bad", "card"), ("bad", "badbg")}
    for text, ground in pairs:  # 4.5 is what WCAG 2.2 asks for, level AA
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def contrast(first: str, second: str) -> float:
    """Returns the contrast of two colours in hexadecimal, by WCAG."""

    def luminance(colour: str) -> float:
        full = colour if len(colour) == 6 else "".join(2 * c for c in colour)
        shares = [int(full[k : k + 2], 16) / 255 for k in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear))

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_the_file_appears_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "report.html"
    assert write_report(path, EvaluationReport((suite(),))) == path
    before = path.read_text()
    assert before.startswith("<!doctype html>") and before.rstrip().endswith("</html>")

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="No space left"):
        write_report(path, EvaluationReport((suite(count=1),)))
    assert path.read_text() == before
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
