"""What a run was begun with is kept beside its checkpoints, and not mixed with another."""

from pathlib import Path

import pytest

from common import runs
from common.errors import CommonError

RECIPE = {"batch": 64, "train": {"steps": 100}}
FACTS = {"recipe": RECIPE, "labels": ("yes", "no"), "from": {"a": 1}}


def begun(folder: Path) -> None:
    (folder / "words" / "step-00000001").mkdir(parents=True)
    (folder / "words" / "step-00000001" / "state.json").write_text("{}")


def changed(**recipe: object) -> dict[str, object]:
    return {**FACTS, "recipe": {**RECIPE, **recipe}}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    runs.describe(tmp_path / "new", FACTS, free=())
    assert runs.described(tmp_path / "new") == {**FACTS, "labels": ["yes", "no"]}


def test_a_run_goes_on_with_what_may_change_and_with_nothing_else(tmp_path: Path) -> None:
    runs.describe(tmp_path, FACTS, free=("recipe.train",))
    begun(tmp_path)
    runs.describe(tmp_path, changed(train={"steps": 200}), free=("recipe.train",))
    assert runs.described(tmp_path)["recipe"]["train"]["steps"] == 200
    with pytest.raises(CommonError, match=r"not the same: recipe\.batch\): use those again"):
        runs.describe(tmp_path, changed(batch=32), free=("recipe.train",))
    assert runs.described(tmp_path)["recipe"]["batch"] == 64
    with pytest.raises(CommonError, match=r"recipe\.train\.steps"):
        runs.describe(tmp_path, FACTS, free=("recipe.tra",))


def test_where_a_run_came_from_is_not_forgotten_when_it_goes_on(tmp_path: Path) -> None:
    runs.describe(tmp_path, FACTS, free=())
    begun(tmp_path)
    runs.describe(tmp_path, {"recipe": RECIPE}, free=())
    assert runs.described(tmp_path)["from"] == {"a": 1}


def test_without_a_checkpoint_a_run_begins_anew(tmp_path: Path) -> None:
    runs.describe(tmp_path, FACTS, free=())
    runs.describe(tmp_path, changed(batch=32), free=())
    assert runs.described(tmp_path)["recipe"]["batch"] == 32


@pytest.mark.parametrize("text", [None, "", "{", "\xff"])
def test_a_run_that_says_nothing_of_itself_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "run.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(CommonError, match=r"run\.json is missing or damaged: train once more"):
        runs.described(tmp_path)
