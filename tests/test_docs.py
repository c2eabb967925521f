"""The pages of docs/ do what they say: every command and every piece of Python in them is run."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def blocks(page: Path, language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    return "\n".join(found)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as a reader has it, with the repository's samples in it."""
    for name in ("games", "clips", "digits", "words"):
        if (ROOT / "data" / name).exists():
            shutil.copytree(ROOT / "data" / name, tmp_path / "data" / name)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_work(page: Path, folder: Path) -> None:
    names = ("boardnet", "speechnet")
    here = "\n".join(f'{name}() {{ "{sys.executable}" -m {name} "$@"; }}' for name in names)
    here += f'\npython() {{ "{sys.executable}" "$@"; }}'
    script = f"set -eo pipefail\nexport PYTHONPATH={ROOT}\n{here}\n{blocks(page, 'sh')}"
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.stem)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for place in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        assert place.startswith("https://") or (page.parent / place).exists(), place


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_python_of_a_page_works(page: Path, folder: Path) -> None:
    run = [sys.executable, "-W", "error", "-c", blocks(page, "python")]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
