"""The README's figures are those that the model files give of themselves."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def tables() -> dict[str, str]:
    where = importlib.util.spec_from_file_location("tables", ROOT / "benchmarks" / "tables.py")
    assert where is not None
    assert where.loader is not None
    module = importlib.util.module_from_spec(where)
    where.loader.exec_module(module)
    found: dict[str, str] = module.tables()
    return found


@pytest.mark.parametrize("name", ["games", "phases", "clips"])
def test_a_table_of_the_readme_is_printed_from_the_model_file(name: str) -> None:
    page = (ROOT / "README.md").read_text("utf-8")
    assert f"<!-- {name} -->\n{tables()[name]}\n" in page
