"""The page as a reader's program sees it: parsed, with figures compared to what was given."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.policy.contract import Contract
from policies.evaluation.gate import Gate
from policies.evaluation.suite_result import SuiteResult
from policies.film.small_film import Film
from policies.report.evaluation_report import EvaluationReport
from policies.report.page import page, write_report
from tests.policies.report.page_reader import Reader, suite

HOSTILE = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;\x00"


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


def test_the_contract_and_its_provenance_are_shown(contract: Contract) -> None:
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
        gate.judge({HOSTILE: {HOSTILE: 2.0}}),
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
