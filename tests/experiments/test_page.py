"""docs/experiments.md says what the experiments printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.__main__ import ALL, DOCS, PAGE, main
from experiments.measuring import Table, into_page, kept

MEASURED = [name for name in ALL if Table(ALL[name], kept(name)).complete]


@pytest.mark.parametrize("name", MEASURED)
def test_the_page_has_the_table_and_the_picture_of_what_was_measured(name: str) -> None:
    runs, page = kept(name), PAGE.read_text("utf-8")
    experiment = ALL[name]
    table = Table(experiment, runs)
    assert table.markdown() in page
    assert into_page(page, table) == page
    picture = f"pictures/experiment-{name}.png"
    assert f"({picture})" in page
    assert (DOCS / picture).exists()
    assert experiment.setting in " ".join(Path(PAGE).read_text("utf-8").split())


def test_the_page_speaks_of_no_experiment_that_was_not_measured() -> None:
    page = PAGE.read_text("utf-8")
    assert not [name for name in ALL if f"<!-- {name} -->" in page and name not in MEASURED]


def test_data_that_is_not_there_is_told_of_each_experiment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["digits-sharing", "speech-twins", "--data", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "experiments: digits-sharing: there is no train-images" in told
    assert "experiments: speech-twins: cannot read" in told
