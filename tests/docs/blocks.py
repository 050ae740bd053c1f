"""The fenced blocks of the documentation, and what the comment above each says about its test.

A comment right above a block says how the test differs from what a reader does:

    <!-- test: small -->                     sim2edge gets small sizes, see SIZES
    <!-- test: replace "A" by "B" -->        in the block; may stand several times
    <!-- test: file NAME -->                 the block is also a file of that name
    <!-- test: module NAME -->               the block is a file of that name, and only that
    <!-- test: outside -->                   names what a package brings, which only this page has
    <!-- test: gate -->, suite, parameters, device, json, workflow   what reads this document
    <!-- test: slow -->                      takes longer than some ten seconds
    <!-- test: before ... -->                Python that runs first, on the lines that follow
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "docs" / "guides").glob("*.md"),
        *(ROOT / "docs" / "reference").glob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
    ]
)
PAGES = [page for page in PAGES if page.exists()]
# Options that a command gets where the comment says `small`, if it takes longer without.
SIZES = {
    "train": ("--steps", "4096", "--num-envs", "16"),
    "eval": ("--episodes", "2", "--seconds", "1"),
    "eval --suite": ("--trials", "2"),
    "eval --trial": (),
    "render": ("--seconds", "0.4"),
    "run": ("--seconds", "2"),
    "learn": ("--minutes", "0.5"),
    "rehearse": ("--rehearsal.steps", "4096"),
    "up": ("--seconds", "4"),
}
_FENCE = re.compile(
    r"(?P<comments>(?:^[ ]*<!-- test: (?:(?!-->).)*-->\n)*)"
    r"^(?P<indent>[ ]*)```(?P<language>[^\n]*)\n(?P<code>.*?)^(?P=indent)```[ ]*$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    code: str  # with the replacements of its comment made
    notes: tuple[str, ...]  # what its comment says

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def value(self, word: str) -> str | None:
        """What follows a word of the comment; None if the comment has it not."""
        for note in self.notes:
            if note.split()[0] == word:
                return note.removeprefix(word).strip()
        return None


def blocks(page: Path) -> list[Block]:
    """All blocks of a page but MyST's directives."""
    text = page.read_text()
    found = []
    for match in _FENCE.finditer(text):
        language = match["language"].strip()
        if language.startswith("{"):
            continue
        comments = re.findall(r"<!-- test: (.*?)\s*-->", match["comments"], re.DOTALL)
        code = re.sub(rf"^{match['indent']}", "", match["code"], flags=re.MULTILINE)
        for comment in comments:
            if swap := re.fullmatch(r'replace "(.*)" by "(.*)"', comment, re.DOTALL):
                assert swap[1] in code, f"{page.name}: no '{swap[1]}' to replace"
                code = code.replace(swap[1], swap[2])
        line = text.count("\n", 0, match.start("language")) + 1
        notes = tuple(c for c in comments if not c.startswith("replace "))
        found.append(Block(page, line, language, code, notes))
    return found


def prose(page: Path) -> list[str]:
    """The lines of a page outside of fences and comments."""
    text = re.sub(r"<!--.*?-->", "", _FENCE.sub("", page.read_text()), flags=re.DOTALL)
    return text.splitlines()


def shrunk(arguments: list[str]) -> list[str]:
    """The arguments of a sim2edge command with those sizes that make it short."""
    name = arguments[0]
    for option in ("--suite", "--trial"):
        name = f"{arguments[0]} {option}" if option in arguments else name
    given = list(arguments)
    sizes = SIZES.get(name, ())
    for option, value in zip(sizes[::2], sizes[1::2]):
        if option in given:
            given[given.index(option) + 1] = value
        else:
            given += [option, value]
    return given
