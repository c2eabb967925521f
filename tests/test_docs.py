"""README.md and the pages of docs/ do what they say: their commands and their Python are run.

`sh` is run as it stands; what is shown with its output ($) in README.md prints that. What needs a
download or somebody's own data (`console`, and `sh` in README.md) has to be a command that there
is.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import boardnet.cli
import common.cli
import speechnet.cli

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
PARSERS = {
    "boardnet": boardnet.cli._parser,
    "speechnet": speechnet.cli._parser,
    "python -m common": common.cli._parser,
}


def blocks(page: Path, language: str) -> list[str]:
    found = re.findall(r"^```(.*?)\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    return [block for named, block in found if named == language]


def having(pages: list[Path], language: str) -> pytest.MarkDecorator:
    """Each of the pages with blocks of a language."""
    found = [page for page in pages if blocks(page, language)]
    return pytest.mark.parametrize("page", found, ids=lambda page: page.stem)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as a reader has it, with the repository's samples in it."""
    for name in ("games", "clips", "digits", "words"):
        if (ROOT / "data" / name).exists():
            shutil.copytree(ROOT / "data" / name, tmp_path / "data" / name)
    return tmp_path


@having(PAGES, "sh")
def test_the_commands_of_a_page_work(page: Path, folder: Path) -> None:
    done = run_in(folder, "\n".join(blocks(page, "sh")))
    assert done.returncode == 0, done.stderr


def run_in(folder: Path, commands: str) -> subprocess.CompletedProcess[str]:
    """Run a script, with our commands in it as if they were installed."""
    names = ("boardnet", "speechnet")
    here = "\n".join(f'{name}() {{ "{sys.executable}" -m {name} "$@"; }}' for name in names)
    here += f'\npython() {{ "{sys.executable}" "$@"; }}'
    script = f"set -eo pipefail\nexport PYTHONPATH={ROOT}\n{here}\n{commands}"
    return subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True)


SHOWN = [block for block in blocks(README, "") if block.startswith("$ ")]


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.splitlines()[0])
def test_the_readme_shows_what_a_command_prints(block: str, folder: Path) -> None:
    command, _, output = block.removeprefix("$ ").partition("\n")
    done = run_in(folder, command.replace(".venv/bin/", ""))
    assert done.returncode == 0, done.stderr
    assert words(done.stdout) == words(output)


def words(text: str) -> list[list[str]]:
    """Lines without numbers and bars, which differ in the last place between processors."""
    bare = re.sub(r"[\d.,]*\d%?|[▁▂▃▄▅▆▇█]", " ", text)
    return [line.split() for line in bare.splitlines()]


def shown() -> list[str]:
    """The commands that are told of and cannot be run here."""
    told = [block for page in PAGES for block in blocks(page, "console")] + blocks(README, "sh")
    lines = [line.removeprefix("$ ") for block in told for line in block.splitlines()]
    return [line for line in lines if line.startswith(tuple(PARSERS))]


@pytest.mark.parametrize("command", shown())
def test_a_command_that_is_only_shown_is_one_that_there_is(command: str) -> None:
    program = next(name for name in PARSERS if command.startswith(name))
    arguments = shlex.split(command.removeprefix(program), comments=True)
    assert callable(PARSERS[program]().parse_args(arguments).run)


@pytest.mark.parametrize("page", [*PAGES, README], ids=lambda page: page.stem)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for place in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        assert place.startswith("https://") or (page.parent / place).exists(), place


@having([*PAGES, README], "python")
def test_the_python_of_a_page_works(page: Path, folder: Path) -> None:
    run = [sys.executable, "-W", "error", "-c", "\n".join(blocks(page, "python"))]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
