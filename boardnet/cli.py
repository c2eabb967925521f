"""The command `boardnet`. Thin: it parses, calls, prints; what is slow to import waits its turn."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boardnet import explain_cli
from boardnet.errors import BoardnetError
from boardnet.games_cli import (
    ALL_GAMES,
    add_choice,
    game_or_all,
    naming,
    place,
    say_notes,
    say_others,
    told,
)
from boardnet.making_cli import Refusal, add_answering, add_commands
from common import command
from common.arguments import natural, positive
from common.errors import CommonError, UsageError

if TYPE_CHECKING:
    from boardnet.game import Game
    from boardnet.predictor import Prediction, Predictor


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 0 done, 1 unusable input, 2 wrong usage."""
    args = _parser().parse_args(argv)
    return command.run("boardnet", lambda: args.run(args))


def predict(args: argparse.Namespace) -> int:
    """The next move of each game."""
    from boardnet.predictor import Predictor

    if args.game == ALL_GAMES and args.variation != 1:
        raise UsageError("--variation is one of a game: name that game, not all")
    refused = Refusal()
    paths = _files(args.games, refused)
    predictor = Predictor.load(args.weights)
    if args.draw:
        from boardnet.figures import check_writable, predicted, write

        check_writable(args.draw)
        if len(paths) > 1 or args.all or args.game == ALL_GAMES:
            raise UsageError("--draw makes one picture: name one game and one turn")
    for path in _counted("predicting", paths):
        try:
            for number, name, game in _lines(path, args, refused):
                which = told(name, number)
                try:
                    with naming(which):
                        found = _predicted(predictor, game, args)
                except BoardnetError as error:
                    refused(error)
                    continue
                say_notes(which, (*game.notes, *found[0].notes))
                for prediction in found:
                    if args.json:
                        print(json.dumps(place(path, name, number) | _answer(prediction)))
                    else:
                        print(_drawn(which, prediction))
                if args.draw:
                    write(predicted(path.name, found[-1]), args.draw)
            if args.game is None:
                say_others(path)
        except CommonError as error:
            refused(error)
    return refused.status


def _files(places: Sequence[Path], refused: Refusal) -> list[Path]:
    """The game files of all places, without those that hold none."""
    from boardnet.records import files

    found: list[Path] = []
    for one in places:
        try:
            found += files(one)
        except BoardnetError as error:
            refused(error)
    return found


def _predicted(predictor: Predictor, game: Game, args: argparse.Namespace) -> list[Prediction]:
    turns = list(range(len(game.moves) + 1)) if args.all else args.turn
    return predictor.predict_all(
        game,
        [turns] if isinstance(turns, int) else turns,
        top=args.top,
        symmetries=args.symmetries,
    )


def _lines(
    path: Path, args: argparse.Namespace, refused: Refusal
) -> Iterator[tuple[int, str, Game]]:
    """One line of play of a game, or the main lines of all games of a file, as `records.numbered`
    gives them."""
    from boardnet import records

    if args.game == ALL_GAMES:
        yield from records.numbered(path, refused)
    else:
        yield records.one(path, args.game or 1, args.variation)


def review(args: argparse.Namespace) -> int:
    """How expected the moves of games were."""
    from boardnet.predictor import Predictor

    refused = Refusal()
    paths = _files(args.games, refused)
    if args.game and len(paths) > 1:
        raise UsageError("--game N is one of a file: name that file alone, or take --game all")
    if args.output is not None:
        if len(paths) > 1 or args.game == ALL_GAMES:
            raise UsageError("-o writes one review: name one game")
        for path in paths:
            _check_review(args.output, path)
    predictor = Predictor.load(args.weights)
    if len(paths) == 1 and args.game != ALL_GAMES:
        _review_one(args, predictor, paths[0], refused)
    else:
        _review_all(args, predictor, paths, refused)
    return refused.status


def _review_all(
    args: argparse.Namespace, predictor: Predictor, paths: Sequence[Path], refused: Refusal
) -> None:
    """A line for each game of each file, then one for each player."""
    from boardnet import records, reporting
    from boardnet.review import review as reviewed

    scores = []
    for path in _counted("reviewing", paths):
        try:
            for number, name, game in records.numbered(path, refused):
                which = told(name, number)
                try:
                    with naming(which):
                        found = reviewed(predictor, game, symmetries=args.symmetries)
                except BoardnetError as error:
                    refused(error)
                    continue
                say_notes(which, (*game.notes, *found.notes))
                if args.json:
                    row = reporting.review_json(str(path), found) | place(path, name, number)
                    print(json.dumps(row), flush=True)
                else:
                    print(reporting.game_line(Path(which).name, found), flush=True)
                for player in reporting.PLAYERS:
                    if (score := found.score(player)) is not None:
                        scores.append((reporting.player_name(found, player), score))
        except CommonError as error:
            refused(error)
    if scores and not args.json:
        print("", *reporting.summary_lines(scores), sep="\n")


def _review_one(
    args: argparse.Namespace, predictor: Predictor, path: Path, refused: Refusal
) -> None:
    """One game in full: printed, or written."""
    from boardnet import records, reporting
    from boardnet.drawing import style_of
    from boardnet.review import review as reviewed

    chosen = args.game or 1
    number, name, game = records.one(path, chosen)
    which = told(name, number)
    with naming(which):
        found = reviewed(predictor, game, symmetries=args.symmetries)
    say_notes(which, (*game.notes, *found.notes))
    if args.output is None and args.json:
        print(json.dumps(reporting.review_json(str(path), found) | place(path, name, number)))
    elif args.output is None:
        print(reporting.review_text(which, found, style_of(sys.stdout)))
    elif args.output.suffix == ".html":
        from boardnet.page import page, variations

        beside = variations(predictor, found, records.lines(path, chosen, refused))
        _write(args.output, page(path.name, found, beside).encode())
    else:
        from boardnet.annotate import annotated

        data = records.contents(path)
        with naming(which):
            data = annotated(data, found, number)
        _write(args.output, data)
    if args.game is None:
        say_others(path)


def _write(output: Path, data: bytes) -> None:
    from common.writing import put

    put(output, data)
    print(f"boardnet: {output}", file=sys.stderr)


def _check_review(output: Path, source: Path) -> None:
    """Said before the work, not after it."""
    from boardnet.records import is_archive

    if output.suffix not in (".sgf", ".html"):
        raise BoardnetError(f"{output}: a review is written to a file that ends in .sgf or .html")
    if not output.parent.is_dir():
        raise BoardnetError(f"there is no folder {output.parent}")
    if output.is_dir():
        raise BoardnetError(f"{output} is a folder: name a file in it")
    if output.exists() and source.exists() and output.samefile(source):
        raise BoardnetError(f"{output} is the record itself: name another file")
    if output.suffix == ".sgf" and is_archive(source.name):
        raise BoardnetError(f"{source} is an archive: unpack the record that is to get comments")


def _counted(what: str, paths: Sequence[Path]) -> Iterator[Path]:
    """The paths, with a bar on stderr if there are several and that is a terminal."""
    if len(paths) == 1:
        yield paths[0]
        return
    from rich.console import Console
    from rich.progress import Progress

    # Answers that go to a file must not be drawn above the bar instead.
    bar = Progress(
        console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()
    )
    with bar:
        task = bar.add_task(what, total=len(paths))
        for path in paths:
            yield path
            bar.advance(task)


def gtp(args: argparse.Namespace) -> None:
    """An engine for programs with a board."""
    from importlib.metadata import PackageNotFoundError, version

    import numpy as np

    from boardnet.engine import Engine
    from boardnet.gtp import Session, serve
    from boardnet.predictor import Predictor

    try:
        number = version("convsuite")
    except PackageNotFoundError:  # run from a folder, not installed
        number = "0"
    engine = Engine(
        Predictor.load(args.weights),
        temperature=args.temperature,
        symmetries=args.symmetries,
        resign=args.resign,
        rng=np.random.default_rng(args.seed),
    )

    def say(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(newline="\n")
    # Unbuffered: a thread that waits in a buffer holds its lock, and Python could not end.
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as lines:
        serve(Session(engine, number), lines, say)


def _answer(prediction: Prediction) -> dict[str, Any]:
    """What is said of a position in JSON."""
    from boardnet.vertices import vertex

    rows, columns = prediction.rows, prediction.columns
    cells = "".join(".XO"[stone] for stone in prediction.stones)
    return {
        "turnNumber": prediction.turn,
        "moves": prediction.turn,
        "currentPlayer": "BW"[prediction.player - 1],
        "moveInfos": [
            {"move": vertex(one.point, rows), "order": order, "prior": round(one.prior, 6)}
            for order, one in enumerate(prediction.candidates)
        ],
        **({} if prediction.winrate is None else {"rootInfo": _root(prediction)}),
        "board": "/".join(cells[row * columns : (row + 1) * columns] for row in range(rows)),
        "policy": [round(float(prior), 6) for prior in prediction.policy],
    }


def _root(prediction: Prediction) -> dict[str, Any]:
    """KataGo's name for what holds of the position itself; the winrate is the mover's."""
    assert prediction.winrate is not None
    player = "BW"[prediction.player - 1]
    return {"currentPlayer": player, "winrate": round(prediction.winrate, 4)}


def _drawn(game: str, prediction: Prediction) -> str:
    from boardnet.drawing import board_text, style_of

    player = ("Black", "White")[prediction.player - 1]
    board = board_text(
        prediction.rows,
        prediction.columns,
        prediction.stones,
        last=prediction.last,
        candidates=[(one.point, one.prior) for one in prediction.candidates],
        style=style_of(sys.stdout),
    )
    wins = "" if prediction.winrate is None else f", who wins with {prediction.winrate:.0%}"
    return f"{game}: {player} to play move {prediction.turn + 1}{wins}\n\n{board}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="boardnet", description="What would a strong human play here?"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("predict", help="the next move of a game")
    one.add_argument("games", nargs="+", type=Path, metavar="GAME.sgf", help="or folders of them")
    when = one.add_mutually_exclusive_group()
    when.add_argument("--turn", type=natural, help="after so many moves (default: the last)")
    when.add_argument("--all", action="store_true", help="after every number of moves")
    one.add_argument("--top", type=positive, default=5, help="how many moves (default: 5)")
    add_choice(one, game_or_all, "N|all")
    one.add_argument("--json", action="store_true", help="one JSON object a line")
    one.add_argument("--draw", type=Path, metavar="OUT.svg|png", help="the board as a picture")
    add_answering(one)
    one.set_defaults(run=predict)

    explain_cli.add_commands(commands)
    one = commands.add_parser("review", help="how expected the moves of a game were")
    one.add_argument("games", nargs="+", type=Path, metavar="GAME.sgf", help="or folders of them")
    one.add_argument("--game", type=game_or_all, metavar="N|all",
                     help="which game of a file (default: 1; of several files, all)")  # fmt: skip
    one.add_argument("--json", action="store_true", help="one JSON object a game")
    one.add_argument("-o", "--output", type=Path, metavar="OUT.sgf|html",
                     help="the record with comments and labels, or a page to look at")  # fmt: skip
    add_answering(one)
    one.set_defaults(run=review)

    one = commands.add_parser("gtp", help="an engine for Sabaki, Lizzie and other programs")
    one.add_argument("--temperature", type=float, default=0.0, help="0: always the likeliest move")
    one.add_argument("--seed", type=natural, default=0, help="of what the temperature draws")
    one.add_argument("--resign", type=float, default=0.0, metavar="CHANCE",
                     help="give up below this chance to win, as 0.05 (default: never)")  # fmt: skip
    add_answering(one)
    one.set_defaults(run=gtp)

    add_commands(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
