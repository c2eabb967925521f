"""From games to a network of one's own, by the commands that the README names."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from boardnet import corpus, records
from boardnet.cli import main
from boardnet.errors import BoardnetError
from boardnet.network import PolicyNetwork
from boardnet.predictor import Predictor
from boardnet.train import HELD_BACK, hold_back, recipe
from common.modelfile import read_facts

GAMES = Path(__file__).parents[2] / "data" / "games"

TINY = """
batch = 4
[network]
channels = 16
blocks = 1
pooled = 4
pool_every = 1
head = 4
stem = 3
[train]
steps = {steps}
ema = 0.9
validate_every = 100000
precision = "fp32"
best = "-nats"
"""


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed") / "corpus"
    assert main(["pack", str(GAMES), "-o", str(folder)]) == 0
    corpus.load(folder).examples(np.array([0]))  # what is compiled once is kept once
    return folder


def tiny(folder: Path, steps: int = 3) -> str:
    path = folder / "tiny.toml"
    path.write_text(TINY.format(steps=steps), encoding="utf-8")
    return str(path)


def test_games_become_a_network_that_answers(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, model = tmp_path / "run", tmp_path / "model"
    assert main(["train", str(packed), "--recipe", tiny(tmp_path), "-o", str(run)]) == 0
    assert json.loads(capsys.readouterr().out)["step"] == 3
    game = next(GAMES.glob("*.sgf"))
    assert main(["export", str(run), "-o", str(model), "--test", str(game)]) == 0
    assert "chance to win" not in capsys.readouterr().err
    weights = ["--weights", str(model / "policy.onnx")]
    assert main(["evaluate", str(game), "--positions", "20", "--json", *weights]) == 0
    assert json.loads(capsys.readouterr().out)["positions"] == 20
    assert main(["predict", str(game), "--json", *weights]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert sum(prior for prior in answer["policy"] if prior >= 0) == pytest.approx(1, abs=1e-3)


def test_a_value_that_nothing_calibrates_is_said(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "valued.toml"
    made.write_text(TINY.format(steps=1).replace("stem = 3", "stem = 3\nvalue = 4"))
    run, game = tmp_path / "run", next(GAMES.glob("*.sgf"))
    assert main(["train", str(packed), "--recipe", str(made), "-o", str(run)]) == 0
    export = ["export", str(run), "-o"]
    assert main([*export, str(tmp_path / "without")]) == 0
    assert "no chance to win: without --usual" in capsys.readouterr().err
    assert main([*export, str(tmp_path / "with"), "--usual", str(game)]) == 0
    assert "chance to win" not in capsys.readouterr().err


def test_what_cannot_be_evaluated_is_told_and_the_rest_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    game = next(GAMES.glob("*.sgf")).read_text("utf-8")
    for name, text in (
        ("a", game), ("b", "(;SZ[13];B[cc])"), ("c", f"(;SZ[19];B[zz]){game}")
    ):  # fmt: skip
        (tmp_path / f"{name}.sgf").write_text(text, encoding="utf-8")
    assert main(["evaluate", str(tmp_path), "--positions", "5", "--json"]) == 1
    said = capsys.readouterr()
    files = [Path(json.loads(line)["file"]).name for line in said.out.splitlines()]
    assert files == ["a.sgf", "c.sgf", "all"]
    assert "b.sgf holds no 19x19 games" in said.err
    assert "B[zz] is not on the 19x19 board" in said.err


def test_a_network_of_integers_answers_nearly_as_that_of_floats(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, games = tmp_path / "run", str(GAMES)
    assert main(["train", str(packed), "--recipe", tiny(tmp_path), "-o", str(run)]) == 0
    assert main(["export", str(run), "-o", str(tmp_path / "floats")]) == 0
    told = ["--calibrate", games, "--test", games]
    assert main(["export", str(run), "-o", str(tmp_path / "integers"), *told]) == 0
    capsys.readouterr()
    floats, integers = (
        Predictor.load(tmp_path / name / "policy.onnx") for name in ("floats", "integers")
    )
    game = records.read(next(GAMES.glob("*.sgf")))
    before, after = (
        np.stack([one.policy for one in network.predict_all(game, range(0, 100, 10))])
        for network in (floats, integers)
    )
    assert 0 < np.abs(after - before).max() < 0.02
    assert "integers" not in floats.facts
    assert integers.facts["integers"]
    assert integers.facts["accuracy"]  # of the integers, not of the floats
    weights = [
        read_facts(tmp_path / name / "policy.safetensors") for name in ("floats", "integers")
    ]
    assert "integers" not in weights[0]
    assert weights[1] == integers.facts


@pytest.mark.parametrize("name", ["small", "base", "value"])
def test_a_network_begins_with_the_weights_of_its_seed_alone(name: str) -> None:
    begun = []
    for other in (1, 2):  # what else has drawn numbers before
        torch.manual_seed(other)
        rng = torch.Generator().manual_seed(0)
        begun.append(PolicyNetwork(recipe(name).network, rng).state_dict())
    assert all(torch.equal(value, begun[1][key]) for key, value in begun[0].items())


def test_the_games_held_back_are_those_not_trained_on(packed: Path) -> None:
    whole = corpus.load(packed)
    learnt, kept = hold_back(whole)
    assert learnt.games + kept.games == whole.games
    assert kept.games == max(1, whole.games // HELD_BACK)
    assert learnt.positions + kept.positions == whole.positions
    last = np.arange(kept.positions)
    expected = whole.examples(last + learnt.positions)
    found = kept.examples(last)
    assert all((one == other).all() for one, other in zip(found, expected, strict=True))


def test_one_game_is_too_few_to_train_on() -> None:
    single, _ = corpus.from_games([records.read(next(GAMES.glob("*.sgf")))])
    with pytest.raises(BoardnetError, match="pack more"):
        hold_back(single)


def test_every_corpus_to_validate_on_counts_whatever_its_folder_is_called(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = corpus.load(packed)
    names = [tmp_path / name / "val" for name in ("a", "b")]
    for number, name in enumerate(names):
        name.parent.mkdir()
        corpus.save(whole.part(number, number + 1), name)
    command = ["train", str(packed), "--recipe", tiny(tmp_path), "--validation"]
    assert main([*command, *map(str, names), "-o", str(tmp_path / "run")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["top1"] == pytest.approx(np.mean([said[f"top1 {name}"] for name in names]))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--device", "foo"], "no device 'foo'"),
        (["--recipe", "folder.toml"], "cannot read the recipe"),
        (["--validation", "empty"], "the corpus empty holds no positions to validate on"),
    ],
)
def test_what_cannot_be_trained_with_is_said_before_anything_is_written(
    packed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.toml").mkdir()
    corpus.save(corpus.from_games([])[0], Path("empty"))
    command = ["train", str(packed), "--recipe", tiny(tmp_path), "-o", "run", *options]
    assert main(command) == 1
    assert told in capsys.readouterr().err
    assert not Path("run").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_goes_on_where_it_was(
    packed: Path, tmp_path: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-m", "boardnet", "train", str(packed)]
    command += ["--recipe", tiny(tmp_path, 100_000), "-o", str(tmp_path / "run")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        log = tmp_path / "run" / "metrics.jsonl"
        while time.monotonic() < deadline and not (log.exists() and log.stat().st_size):
            time.sleep(0.1)
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "the same command goes on" in told
    assert "Traceback" not in told
    assert list((tmp_path / "run").glob("step-*"))


def test_a_disk_that_is_full_is_said_and_leaves_no_torn_checkpoint(
    packed: Path, tmp_path: Path
) -> None:
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from boardnet.cli import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    run = tmp_path / "run"
    command = ["train", str(packed), "--recipe", tiny(tmp_path), "-o", str(run)]
    # Nor is there room for compiled code, of which nothing is there yet.
    cold = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        capture_output=True, text=True, timeout=300, env=cold,
    )  # fmt: skip
    assert done.returncode == 1
    assert "could not be saved" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(run.glob("step-*"))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda folder: (folder / "moves.npy").write_bytes(b"\x93NUMPY junk"), "damaged"),
        (lambda folder: os.truncate(folder / "moves.npy", 300), "damaged"),
        (lambda folder: (folder / "corpus.json").unlink(), "not a corpus"),
        (lambda folder: (folder / "corpus.json").write_text("{}"), "damaged or no corpus"),
        (lambda folder: (folder / "corpus.json").write_text('{"format": 99}'), "pack the games"),
    ],
)
def test_a_corpus_that_is_damaged_or_foreign_is_named(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: object, told: str
) -> None:
    folder = tmp_path / "corpus"
    corpus.save(corpus.load(packed), folder)
    harm(folder)  # type: ignore[operator]
    assert main(["train", str(folder), "--recipe", tiny(tmp_path), "-o", str(tmp_path / "r")]) == 1
    line = capsys.readouterr().err.strip()
    assert told in line
    assert str(folder) in line
    assert "\n" not in line


def test_a_folder_of_another_run_is_not_gone_on_with(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["-o", str(tmp_path / "run")]
    assert main(["train", str(packed), "--recipe", tiny(tmp_path), *run]) == 0
    other = tmp_path / "other.toml"
    other.write_text(TINY.format(steps=3).replace("ema = 0.9", "ema = 0.5"), encoding="utf-8")
    capsys.readouterr()
    assert main(["train", str(packed), "--recipe", str(other), *run]) == 1
    assert "other settings" in capsys.readouterr().err


def test_a_run_does_not_go_on_with_another_corpus(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, few = tmp_path / "run", tmp_path / "few"
    command = ["--recipe", tiny(tmp_path), "-o", str(run)]
    assert main(["train", str(packed), *command]) == 0
    before = (run / "run.json").read_bytes()
    corpus.save(corpus.load(packed).part(0, 3), few)
    assert main(["train", str(few), *command]) == 1
    assert "begun with other data or settings (not the same: data." in capsys.readouterr().err
    assert (run / "run.json").read_bytes() == before


def test_recipes_are_checked(tmp_path: Path) -> None:
    assert recipe("small").name == "small"
    with pytest.raises(BoardnetError, match="there is no recipe huge"):
        recipe("huge")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[network]\nchannel = 3\n", encoding="utf-8")
    with pytest.raises(BoardnetError, match="channel"):
        recipe(str(wrong))


def test_weights_that_went_on_say_what_they_came_from(packed: Path, tmp_path: Path) -> None:
    run, model, second = tmp_path / "run", tmp_path / "model", tmp_path / "second"
    command = ["train", str(packed), "--recipe", tiny(tmp_path)]
    assert main([*command, "-o", str(run)]) == 0
    assert main(["export", str(run), "-o", str(model)]) == 0
    assert main([*command, "--from", str(model / "policy.safetensors"), "-o", str(second)]) == 0
    before = json.loads((second / "run.json").read_text("utf-8"))["from"]
    assert (before["step"], before["recipe"]["name"]) == (3, "tiny")
    assert main(["export", str(second), "-o", str(tmp_path / "last")]) == 0
    facts = Predictor.load(tmp_path / "last" / "policy.onnx").facts
    assert facts["from"] == before
