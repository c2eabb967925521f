"""Packing: thousands of games to a corpus, whatever they come in and whatever happens."""

import gzip
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from boardnet import corpus, corpus_report, joining, packing, records
from boardnet.cli import main
from boardnet.duplicates import OPENING
from boardnet.errors import BoardnetError
from boardnet.labels import (
    FORFEIT,
    NO_RANK,
    RESIGNED,
    SCORE,
    TIME,
    Result,
    date,
    rank,
    result,
)
from boardnet.packing import pack
from boardnet.wanted import Wanted

LETTERS = "abcdefghijklmnopqrs"


def cells(seed: int) -> NDArray[np.int64]:
    """All points in an order in which a hundred that are not neighbours come first."""
    order = np.random.default_rng(seed).permutation(361)
    alone = (order // 19 % 2 == 0) & (order % 19 % 2 == 0)
    return np.concatenate([order[alone], order[~alone]])


def game(seed: int, moves: int = 80, header: str = "", turned: bool = False, extra: int = 0) -> str:
    """A game of random moves, the first hundred of which touch no other stone and so are legal.
    extra: other moves at its end."""
    points = [divmod(int(cell), 19) for cell in cells(seed)[: moves + extra]]
    points = points[: moves - extra] + points[moves:] if extra else points
    nodes = []
    for number, (row, column) in enumerate(points):
        row, column = (column, 18 - row) if turned else (row, column)
        nodes.append(f";{'BW'[number % 2]}[{LETTERS[column]}{LETTERS[row]}]")
    return f"(;SZ[19]{header}{''.join(nodes)})\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty games: loose, packed, in a zip, in a tar in a folder; and some that cannot be used."""
    top = tmp_path / "games"
    (top / "deep").mkdir(parents=True)
    (top / "a.sgf").write_text("".join(game(seed) for seed in range(10)))
    (top / "b.sgf.gz").write_bytes(gzip.compress("".join(map(game, range(10, 20))).encode()))
    (top / "notes.txt").write_text("no game")
    with zipfile.ZipFile(top / "c.zip", "w") as zipped:
        for seed in range(20, 30):
            zipped.writestr(f"x/{seed}.sgf", game(seed))
        zipped.writestr("x/empty.sgf", "")
        zipped.writestr("readme.txt", "no game")
    with tarfile.open(top / "deep" / "d.tar.gz", "w:gz") as tarred:
        for seed in range(30, 40):
            data = game(seed).encode()
            member = tarfile.TarInfo(f"{seed}.sgf")
            member.size = len(data)
            tarred.addfile(member, BytesIO(data))
    bad = ["(;GM[3];B[aa])", "(;SZ[9];B[aa])", "(;SZ[19])", "(;SZ[19];B[zz])"]
    (top / "deep" / "e.sgf").write_text("".join(bad))
    return top


def contents(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes()
            for one in folder.rglob("*") if one.is_file()}  # fmt: skip


def report(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / joining.REPORT).read_text("utf-8").splitlines()]


def test_files_folders_and_archives_are_packed_and_what_is_not_is_named(
    folder: Path, tmp_path: Path
) -> None:
    made = pack([folder], tmp_path / "out", jobs=1)[""]
    assert made.games == 40
    assert made.positions == 40 * 80
    counts = {"no moves": 1, "other size": 1, "unreadable": 1, "unusable": 2}
    assert made.facts["left out"] == counts
    rows = report(tmp_path / "out")
    assert [row["reason"] for row in rows].count("unusable") == 2
    [empty] = [row for row in rows if row["reason"] == "unreadable"]
    assert "c.zip/x/empty.sgf is empty" in empty["why"]
    [small] = [row for row in rows if row["reason"] == "other size"]
    assert (small["file"].endswith("deep/e.sgf"), small["game"]) == (True, 2)
    assert made.facts["sources"] == ["games", "b.sgf.gz", "c.zip", "deep/d.tar.gz", "deep"]
    assert np.bincount(made.labels["source"]).tolist() == [10, 10, 10, 10]
    planes, moves = made.examples(np.array([0, 79, 1600]))
    assert planes.shape[0] == 3
    assert moves[0] == cells(0)[0]


def test_how_many_processes_there_are_changes_no_byte(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "UNIT", 2000)
    monkeypatch.setattr(packing, "SLICE", 500)
    written = []
    for jobs in (1, 2, 3):
        pack([folder], tmp_path / str(jobs), jobs=jobs)
        written.append(contents(tmp_path / str(jobs)))
        assert not (tmp_path / f"{jobs}.part").exists()
    assert written[0] == written[1] == written[2]
    slices = [unit.slices for unit in packing.plan([folder])[1]]
    assert max(slices) > 1  # so an archive was shared


def test_a_packing_that_was_killed_goes_on_and_ends_with_the_same_corpus(tmp_path: Path) -> None:
    top = tmp_path / "games"
    top.mkdir()
    for number in range(12):
        games = "".join(game(100 * number + k, 200) for k in range(60))
        (top / f"{number:02}.sgf.gz").write_bytes(gzip.compress(games.encode()))
    command = [sys.executable, "-m", "boardnet", "pack", str(top), "--jobs", "2", "-o"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    other = tmp_path / "other"
    part = tmp_path / "other.part"
    run = subprocess.Popen([*command, str(other)], stdout=-3, stderr=-3, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list(part.glob("unit-*.npz")) and time.monotonic() < deadline:
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    done = {one: one.stat().st_mtime_ns for one in part.glob("unit-*.npz")}
    assert done
    assert not other.exists()
    while _group_lives(run.pid) and time.monotonic() < deadline:  # its workers notice, and end
        time.sleep(0.05)
    assert not _group_lives(run.pid)
    subprocess.run([*command, str(other)], check=True, capture_output=True)
    assert contents(other) == contents(tmp_path / "whole")


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_was_packed_before_an_interruption_is_not_read_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "UNIT", 2000)
    work, done = packing.work, []

    def interrupted(unit: packing.Unit, wanted: Wanted, place: Path) -> int:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(place.name)
        return work(unit, wanted, place)

    monkeypatch.setattr(packing, "work", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pack([folder], tmp_path / "out", jobs=1)
    again: list[str] = []

    def counted(unit: packing.Unit, wanted: Wanted, place: Path) -> int:
        again.append(place.name)
        return work(unit, wanted, place)

    monkeypatch.setattr(packing, "work", counted)
    torn = tmp_path / "out.part" / done[1]
    torn.write_bytes(torn.read_bytes()[:-20])  # as by a power cut
    pack([folder], tmp_path / "out", jobs=1)
    assert set(done) & set(again) == {done[1]}
    monkeypatch.setattr(packing, "work", work)
    pack([folder], tmp_path / "fresh", jobs=1)
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_what_is_wrong_with_an_archive_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cut.tar"
    with tarfile.open(path, "w") as tarred:
        for seed in range(12):
            member = tarfile.TarInfo(f"{seed}.sgf")
            member.size = len(data := game(seed).encode())
            tarred.addfile(member, BytesIO(data))
    path.write_bytes(path.read_bytes()[:10_000])
    monkeypatch.setattr(packing, "SLICE", 2000)
    assert len(packing.plan([path])[1]) > 2
    made = pack([path], tmp_path / "out", jobs=1)[""]
    assert 3 < made.games < 12
    [row] = report(tmp_path / "out")
    assert (row["file"], row["reason"]) == (str(path), "unreadable")
    assert "breaks off" in row["why"]


def test_a_corpus_says_how_much_it_holds_also_when_it_was_loaded(
    folder: Path, tmp_path: Path
) -> None:
    pack([folder], tmp_path / "out", jobs=1)
    whole = corpus.load(tmp_path / "out")
    assert (whole.facts["games"], whole.facts["positions"]) == (40, 3200)
    corpus.save(whole.part(0, 10), tmp_path / "some")
    facts = corpus.load(tmp_path / "some").facts
    assert (facts["games"], facts["positions"]) == (10, 800)
    assert facts["sources"] == whole.facts["sources"]


def test_other_settings_begin_anew(folder: Path, tmp_path: Path) -> None:
    part = tmp_path / "out.part"
    part.mkdir()
    (part / "plan.json").write_text("{}")
    (part / "unit-000000.npz").write_bytes(b"of another plan")
    assert pack([folder], tmp_path / "out", jobs=1)[""].games == 40


# Duplicates


@pytest.mark.parametrize(
    ("texts", "kept"),
    [
        ([game(1), game(2), game(1)], [0, 1]),
        ([game(1), game(1, turned=True)], [0]),
        ([game(1), game(1, 100)], [1]),  # the longer one
        ([game(1, extra=10), game(1)], [0]),  # with another ending
        ([game(1, 20), game(2), game(1)], [1, 2]),  # broken off
        ([game(1, 20, turned=True), game(1, 30), game(1)], [2]),
        ([game(1, 20), game(1, 30)], [1]),
        ([game(1, OPENING - 1), game(1, OPENING)], [1]),
        ([game(1, header="AB[bb][dd][ff]"), game(1, header="AB[ff][bb]AB[dd]")], [0]),
        ([game(1, header="AB[bb][dd]"), game(1, header="AB[bb][ff]"), game(1)], [0, 1, 2]),
    ],
)
def test_a_game_is_packed_once(texts: list[str], kept: list[int], tmp_path: Path) -> None:
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.sgf").write_text(text)
    made = pack([tmp_path], tmp_path / "out", jobs=1)[""]
    expected = [records.read(tmp_path / f"{number}.sgf") for number in kept]
    assert np.diff(made.firsts).tolist() == [len(one.moves) for one in expected]
    named = {Path(row["file"]).stem for row in report(tmp_path / "out")}
    assert named == {str(number) for number in range(len(texts))} - set(map(str, kept))
    assert made.facts["left out"] == (
        {"duplicate": len(texts) - len(kept)} if len(texts) > len(kept) else {}
    )


def test_no_game_of_a_split_is_in_two_parts_and_more_games_move_none(
    folder: Path, tmp_path: Path
) -> None:
    shares = {"train": 0.7, "val": 0.3}
    first = pack([folder], tmp_path / "first", shares=shares, jobs=1)
    assert set(first) == {"train", "val"}
    assert first["train"].games + first["val"].games == 40
    assert 0 < first["val"].games < first["train"].games

    (folder / "more.sgf").write_text("".join(game(seed, turned=seed < 30) for seed in range(60)))
    second = pack([folder], tmp_path / "second", shares=shares, jobs=1)
    assert second["train"].games + second["val"].games == 60

    def lines(one: corpus.Corpus) -> set[bytes]:
        return {one.moves[a:b].tobytes() for a, b in zip(one.starts, one.starts[1:], strict=False)}

    for name in shares:
        assert lines(first[name]) <= lines(second[name])


@pytest.mark.parametrize("shares", [(0.5, 0.4), (1.5, -0.5), (float("nan"), 0.5), (1.0, 0.0)])
def test_shares_that_are_none_are_refused_before_the_work(
    folder: Path, tmp_path: Path, shares: tuple[float, float], capsys: pytest.CaptureFixture[str]
) -> None:
    train, val = shares
    with pytest.raises(BoardnetError, match="together 1"):
        pack([folder], tmp_path / "out", shares={"train": train, "val": val}, jobs=1)
    split = ["--split", f"train={train},val={val}"]
    with pytest.raises(SystemExit):
        main(["pack", str(folder), "-o", str(tmp_path / "out"), *split])
    assert "together 1" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [folder]


def test_a_part_without_games_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.sgf").write_text(game(1))
    with pytest.raises(BoardnetError, match=r"no game comes in the part '(train|val)'"):
        pack([tmp_path], tmp_path / "out", shares={"train": 0.5, "val": 0.5}, jobs=1)
    assert not (tmp_path / "out").exists()


def test_what_is_in_an_empty_corpus_can_be_told(tmp_path: Path) -> None:
    empty, _ = corpus.from_games([])
    found = corpus_report.summary(empty)
    assert corpus_report.text("none", found, {}) == "none: 0 games, 0 positions, 19x19"
    assert "0 games" in corpus_report.picture("none", found).svg()


def test_where_the_system_does_not_say_which_cores_are_ours_all_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # as on macOS and Windows
    (tmp_path / "one.sgf").write_text(game(1))
    assert pack([tmp_path], tmp_path / "out")[""].games == 1


# Which games


HEADERS = {
    "strong": "BR[9d]WR[8 dan]DT[2016-05-07]PB[Alice]RE[B+R]KM[6.5]",
    "pro": "BR[9p]WR[P6段]DT[2017]PW[Bob]RE[W+0.5]KM[7.5]",
    "kyu": "BR[3k]WR[12 kyu]DT[2016-05-08]RE[W+T]HA[2]AB[bb][dd]",
    "silent": "",
}


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Wanted(), "strong pro kyu silent"),
        (Wanted(min_rank="8d"), "strong pro"),
        (Wanted(min_rank="1p"), "pro"),
        (Wanted(max_rank="1k"), "kyu"),
        (Wanted(min_rank="5d", max_rank="9d"), "strong"),
        (Wanted(since="2016-05-08"), "pro kyu"),
        (Wanted(until="2016"), "strong kyu"),
        (Wanted(since="2016-05", until="2016-05-07"), "strong"),
        (Wanted(until="2016-05"), "strong kyu"),
        (Wanted(max_handicap=0), "strong pro silent"),
        (Wanted(player="ali"), "strong"),
        (Wanted(player="BOB"), "pro"),
        (Wanted(min_moves=81, player="Alice"), ""),
        (Wanted(max_moves=80), "strong pro kyu silent"),
        (Wanted(size=9), ""),
    ],
)
def test_only_the_games_that_are_wanted(wanted: Wanted, names: str, tmp_path: Path) -> None:
    headers = list(HEADERS.values())
    for seed, name in enumerate(HEADERS):
        (tmp_path / f"{name}.sgf").write_text(game(seed, header=headers[seed]))
    if not names:
        with pytest.raises(BoardnetError, match="nothing is left"):
            pack([tmp_path], tmp_path / "out", wanted=wanted, jobs=1)
        return
    pack([tmp_path], tmp_path / "out", wanted=wanted, jobs=1)
    left_out = {Path(row["file"]).stem for row in report(tmp_path / "out")}
    assert set(HEADERS) - left_out == set(names.split())


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"min_rank": "good"}, "'good' is no rank"), ({"since": "May"}, "'May' is no date")],
)
def test_a_filter_that_makes_no_sense_is_refused(settings: dict[str, str], said: str) -> None:
    with pytest.raises(BoardnetError, match=said):
        Wanted(**settings)  # type: ignore[arg-type]


def test_a_corpus_carries_what_records_say_of_the_games(tmp_path: Path) -> None:
    for seed, (name, header) in enumerate(HEADERS.items()):
        (tmp_path / f"{name}.sgf").write_text(game(seed, header=header))
    made = pack([tmp_path], tmp_path / "out", jobs=1)[""]
    kyu, pro, silent, strong = made.labels  # in the order of the files' names
    assert (strong["black_rank"], strong["white_rank"], strong["date"]) == (9, 8, 20160507)
    assert (strong["winner"], strong["ending"], strong["komi"]) == (1, RESIGNED, 6.5)
    assert (pro["black_rank"], pro["white_rank"], pro["date"]) == (18, 15, 20170000)
    assert (pro["winner"], pro["ending"], pro["margin"]) == (2, SCORE, -0.5)
    assert (kyu["black_rank"], kyu["white_rank"], kyu["handicap"]) == (-2, -11, 2)
    assert (silent["black_rank"], silent["date"], silent["winner"]) == (NO_RANK, 0, 0)
    assert np.isnan(silent["komi"])
    # Nobody is told who won where the komi is not known, or where the clock decided.
    won = made.labelled(made.firsts[:-1])["won"]
    assert np.isnan(won).tolist() == [True, False, True, False]
    found = corpus_report.summary(made)
    assert found["ranks"] == {"12k": 1, "8d": 1, "6p": 1, "?": 1}
    assert found["years"] == {"?": 1, "2016": 2, "2017": 1}
    assert found["results"]["White on time"] == 1


@pytest.mark.parametrize(
    ("text", "winner", "ending", "margin"),
    [
        ("黒中押し勝ち", 1, RESIGNED, None), ("白番中押し勝ち", 2, RESIGNED, None),
        ("黒2目半勝ち", 1, SCORE, 2.5), ("白2目半勝ち", 2, SCORE, -2.5),
        ("白半目勝ち", 2, SCORE, -0.5), ("B+1/2", 1, SCORE, 0.5), ("B+3 1/2", 1, SCORE, 3.5),
        ("W+3½", 2, SCORE, -3.5), ("B+0.5", 1, SCORE, 0.5),
        ("黑胜3又1/4子", 1, SCORE, None),  # stones, which are two points each
    ],
)  # fmt: skip
def test_results_in_words_and_halves(
    text: str, winner: int, ending: int, margin: float | None
) -> None:
    assert who_won(text) == (winner, ending, margin)


def who_won(text: str) -> tuple[int, int, float | None]:
    """Winner, ending and margin of a result; None for no margin."""
    found = result(text)
    return found.winner, found.ending, None if np.isnan(found.margin) else found.margin


@pytest.mark.parametrize(
    ("text", "winner", "ending", "margin"),
    [
        ("White resigns", 1, RESIGNED, None), ("Black resigned", 2, RESIGNED, None),
        ("黑超时负", 2, TIME, None), ("白中盘负", 1, RESIGNED, None), ("黑认输", 2, RESIGNED, None),
        ("黑负", 2, 0, None), ("黒負", 2, 0, None), ("白投了", 1, RESIGNED, None),
        ("White loses on time", 1, TIME, None), ("黑负2目半", 2, SCORE, -2.5),
        ("白负 黑胜", 1, 0, None), ("黑胜白负", 1, 0, None), ("백 불계패", 1, RESIGNED, None),
        ("White resigned at move 120", 1, RESIGNED, None),
    ],
)  # fmt: skip
def test_who_is_said_to_have_lost_has_not_won(
    text: str, winner: int, ending: int, margin: float | None
) -> None:
    assert who_won(text) == (winner, ending, margin)


@pytest.mark.parametrize(
    ("text", "winner", "ending"),
    [
        ("B+Resign", 1, RESIGNED), ("W+R", 2, RESIGNED), ("W+T", 2, TIME), ("B+F", 1, FORFEIT),
        ("White wins by resignation", 2, RESIGNED), ("Black won on time", 1, TIME),
        ("黑中盘胜", 1, RESIGNED), ("黒中押し", 1, RESIGNED), ("백 시간승", 2, TIME),
    ],
)  # fmt: skip
def test_who_is_said_to_have_won_has(text: str, winner: int, ending: int) -> None:
    assert who_won(text) == (winner, ending, None)


@pytest.mark.parametrize("text", ["White resign", "B R", "黑超时", "Both lost", "W time"])
def test_where_it_is_not_sure_who_has_won_nobody_has(text: str) -> None:
    assert result(text).winner == 0


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (rank, "9d*", 9), (rank, "1st dan", NO_RANK), (rank, "10k?", -9), (rank, "NR", NO_RANK),
        (rank, "7 Dan", 7), (rank, "프로9단", 18), (rank, "2p", 11), (rank, "30k", -29),
        (rank, "十一级", -10), (rank, "二十五级", -24), (rank, "十級", -9), (rank, "十段", NO_RANK),
        (rank, "professional 9 dan", 18), (rank, "9d (pro)", 18), (rank, "职业九段", 18),
        (date, "2017/3/2", 20170302), (date, "1846-09-11,13-15", 18460911),
        (date, "2017年3月2日", 20170302), (date, "no date", 0), (date, "2017-13-01", 20170000),
        (result, "B+11.50", Result(1, SCORE, 11.5)), (result, "白胜1.5目", Result(2, SCORE, -1.5)),
        (result, "Jigo", Result(0, SCORE, 0.0)),
    ],
)  # fmt: skip
def test_what_records_say_becomes_numbers(
    parse: Callable[[str], object], text: str, value: object
) -> None:
    assert parse(text) == value


# Corpora


def test_corpora_are_merged_without_what_they_share(tmp_path: Path) -> None:
    for name, seeds in (("one", range(5)), ("two", range(3, 9))):
        (tmp_path / f"{name}.sgf").write_text("".join(map(game, seeds)))
        pack([tmp_path / f"{name}.sgf"], tmp_path / name, jobs=1)
    made = joining.merge([tmp_path / "one", tmp_path / "two"], tmp_path / "both")[""]
    assert made.games == 9
    assert made.facts["sources"] == ["one.sgf", "two.sgf"]
    assert made.labels["source"].tolist() == [0] * 5 + [1] * 4
    assert [row["game"] for row in report(tmp_path / "both")] == [1, 2]
    (tmp_path / "whole").mkdir()
    (tmp_path / "one.sgf").rename(tmp_path / "whole" / "one.sgf")
    (tmp_path / "two.sgf").rename(tmp_path / "whole" / "two.sgf")
    whole = pack([tmp_path / "whole"], tmp_path / "packed", jobs=1)[""]
    assert (whole.moves == made.moves).all()
    small = tmp_path / "small.sgf"
    small.write_text("(;SZ[9];B[aa])")
    pack([small], tmp_path / "small", wanted=Wanted(size=9), jobs=1)
    with pytest.raises(BoardnetError, match="different board sizes"):
        joining.merge([tmp_path / "one", tmp_path / "small"], tmp_path / "no")


def test_the_commands_say_what_was_done(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["pack", str(folder), "-o", str(out), "--jobs", "1"]) == 0
    said = capsys.readouterr().out
    assert f"{out}: 40 games, 3200 positions\n" in said
    assert "left out: 1 no moves, 1 other size, 1 unreadable, 2 unusable" in said
    assert main(["pack", str(folder), "-o", str(out)]) == 1
    assert "exists already" in capsys.readouterr().err
    picture = tmp_path / "out.png"
    assert main(["corpus", "info", str(out), "--draw", str(picture)]) == 0
    text = capsys.readouterr().out
    assert "40 games, 3,200 positions, 19x19" in text
    assert "50-99" in text
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["corpus", "info", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lengths"] == {"50-99": 40}
    both = tmp_path / "both"
    shares = "train=0.5,val=0.5"
    assert main(["corpus", "merge", str(out), str(out), "-o", str(both), "--split", shares]) == 0
    assert "40 duplicate" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main(["pack", str(folder), "-o", str(out), "--split", "0.9"])
    assert caught.value.code == 2


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_done(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(corpus, "write", full)
        with pytest.raises(BoardnetError, match=r"cannot write .*out: No space left"):
            pack([folder], tmp_path / "out", jobs=1)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.joining").exists()
    with monkeypatch.context() as patched:
        patched.setattr(np, "savez", full)
        with pytest.raises(BoardnetError, match="No space left"):
            pack([folder], tmp_path / "other", jobs=1)
    assert pack([folder], tmp_path / "out", jobs=1)[""].games == 40


def test_a_sample_depends_on_the_seed_and_its_number_alone(folder: Path, tmp_path: Path) -> None:
    """So it does not matter which of how many workers makes it."""
    pack([folder], tmp_path / "out", jobs=1)
    code = (
        "import sys, zlib; from pathlib import Path; from boardnet.corpus import Sampler, load;"
        "sampler = Sampler(load(Path(sys.argv[1])), 16, seed=5);"
        "print([zlib.crc32(v.tobytes()) for k in sys.argv[2:] for v in sampler(int(k)).values()])"
    )

    def sums(*numbers: str) -> list[int]:
        command = [sys.executable, "-c", code, str(tmp_path / "out"), *numbers]
        run = subprocess.run(command, check=True, capture_output=True, text=True)
        found: list[int] = json.loads(run.stdout)
        return found

    one, two = sums("0", "2"), sums("1", "3")
    half = len(one) // 2
    assert sums("0", "1", "2", "3") == one[:half] + two[:half] + one[half:] + two[half:]
    assert one[:half] != one[half:]
