"""Configures the site: `make docs` builds it without a network, warnings are errors."""

import os
import re
import sys
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

ROOT = Path(__file__).parents[1]
LOG = logging.getLogger(__name__)
WRITTEN = Path(__file__).parent / "api"  # pages that are made from the code
sys.path[:0] = [str(ROOT), str(ROOT / "ros_ws" / "src" / "sim2edge_ros")]
os.environ.setdefault("MUJOCO_GL", "disabled")  # nothing is drawn here

project = "sim2edge"
author = "the sim2edge maintainers"
copyright = author
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
templates_path = ["_templates"]
exclude_patterns = ["media"]

myst_enable_extensions = ["attrs_block", "colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3
# A docstring's word that names several things is shown as code; that is no mistake.
suppress_warnings = ["ref.python"]

# A docstring's `name` links to what has that name, and is code otherwise.
default_role = "py:obj"
add_module_names = False
autosummary_generate = True
# A page for each room, with its files as sections; a template asks what is a room.
autosummary_context = {
    "packages": {
        ".".join(path.parent.relative_to(folder).parts)
        for folder in map(Path, sys.path[:2])
        for path in folder.glob("*/**/__init__.py")
    }
}
autosummary_ignore_module_all = False
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_use_rtype = False
# What is no dependency of the documentation, or has no types to show.
autodoc_mock_imports = ["launch", "launch_ros", "tf2_msgs"]

html_theme = "furo"
html_title = "sim2edge"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def _inline_math(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(_mathml(node, "inline"))
    raise nodes.SkipNode


def _block_math(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="math">{_mathml(node, "block")}</div>')
    raise nodes.SkipNode


def _mathml(node: nodes.math | nodes.math_block, display: str) -> str:
    """Returns the formula as MathML, which browsers draw without a script."""
    latex = re.sub(r"\\text\{.*?\}", lambda text: text[0].replace(r"\_", "_"), node.astext())
    try:
        return convert(latex, display=display)
    except Exception as error:  # of many kinds, for a formula that it cannot read
        LOG.warning("formula '%s': %r", latex, error, location=node)
        return ""


def _drop_plain_bases(_: Sphinx, document: nodes.document) -> None:
    """Removes the lines that say no more than that a class is an object."""
    for line in list(document.findall(nodes.paragraph)):
        if line.astext() == "Bases: object":
            line.parent.remove(line)


def _write_pages(_: Sphinx) -> None:
    """Writes the settings and derivations; removes pages of rooms that are gone."""
    from sim2edge.settings_reference import reference  # noqa: PLC0415  it imports the product

    WRITTEN.mkdir(exist_ok=True)
    derivations = "# Derivations\n\nThe equations of each filter, as its code has them.\n"
    for path in sorted((ROOT / "edge_runtime" / "fusion").glob("*/DERIVATION.md")):
        where = f"../../{path.relative_to(ROOT)}"
        derivations += f"\n```{{include}} {where}\n:heading-offset: 1\n```\n"
    pages = {"settings": reference(), "derivations": derivations}
    for name, text in pages.items():
        page = WRITTEN / f"{name}.md"
        if not page.exists() or page.read_text() != text:
            page.write_text(text)
    for stub in WRITTEN.glob("*.rst"):
        modules = re.findall(r"automodule:: (\S+)", stub.read_text())
        if not all(map(_is_there, modules)):
            stub.unlink()


def _is_there(module: str) -> bool:
    """Whether a module still has its file; a page of one that moved would be a warning."""
    path = Path(*module.split("."))
    folders = map(Path, sys.path[:2])
    return any(
        (f / path / "__init__.py").exists() or (f / path).with_suffix(".py").exists()
        for f in folders
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Draws formulas as MathML."""
    app.add_html_math_renderer("mathml", (_inline_math, None), (_block_math, None))
    app.connect("builder-inited", _write_pages, priority=100)
    app.connect("doctree-read", _drop_plain_bases)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
