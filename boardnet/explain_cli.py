"""The command `boardnet explain`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from boardnet.errors import BoardnetError
from boardnet.games_cli import add_choice, naming, place, say_notes, say_others, told
from common.arguments import natural, positive
from common.errors import UsageError


def add_commands(commands: Any) -> None:
    """Put `explain` below an argparse parser's `add_subparsers`."""
    one = commands.add_parser("explain", help="what a move depends on; what a filter waits for")
    one.add_argument("games", nargs="*", type=Path, metavar="GAME.sgf")
    one.add_argument("--turn", type=natural, help="after so many moves (default: the last)")
    one.add_argument("--move", metavar="Q16", help="instead of the likeliest")
    add_choice(one, positive)
    one.add_argument("--filter", metavar="LAYER:K", help="or LAYER, for all of its filters")
    one.add_argument("--layers", action="store_true", help="list the network's layers")
    one.add_argument("--top", type=positive, default=10, help="how many stones (default: 10)")
    one.add_argument("--json", action="store_true", help="one JSON object")
    one.add_argument("-o", "--output", type=Path, metavar="OUT.svg|png")
    one.add_argument("--weights", type=Path, metavar="MODEL.safetensors")
    one.set_defaults(run=explain)


def explain(args: argparse.Namespace) -> None:
    """What a move depends on, or what a filter waits for."""
    from boardnet import figures

    if args.layers:
        _list_layers(args)
        return
    if args.output is not None:
        figures.check_writable(args.output)  # said before the work, not after it
    elif args.filter:
        raise UsageError("name the picture to write: -o OUT.png or -o OUT.svg")
    if args.filter:
        _explain_filter(args)
    elif len(args.games) == 1:
        _explain_move(args)
    else:
        raise UsageError("name the one game to explain a move of, or a filter: --filter LAYER:K")


def _list_layers(args: argparse.Namespace) -> None:
    from boardnet.explain import load_network
    from boardnet.planes import NAMES
    from common.explain import layers

    empty = [[[[0.0] * 19] * 19] * len(NAMES)]
    for name, shape in layers(load_network(args.weights), empty).items():
        print(f"{name:28} {' x '.join(map(str, shape[1:]))}")


def _explain_move(args: argparse.Namespace) -> None:
    from boardnet import explain as explaining
    from boardnet import figures, records
    from boardnet.vertices import vertex

    path = args.games[0]
    network = explaining.load_network(args.weights) if args.weights else None
    number, name, game = records.one(path, args.game or 1, args.variation)
    which = told(name, number)
    with naming(which):
        found = explaining.depends(game, args.turn, args.move, network=network)
    say_notes(which, (*game.notes, *found.prediction.notes))
    rows = found.prediction.rows
    ranked = [(vertex(point, rows), value) for point, value in found.ranked()[: args.top]]
    if args.json:
        stones = [{"stone": name, "nats": round(value, 4)} for name, value in ranked]
        move = {"move": vertex(found.move, rows), "prior": found.prior}
        turn = {"turnNumber": found.prediction.turn}
        print(json.dumps({**place(path, name, number), **turn, **move, "stones": stones}))
    else:
        print(f"{vertex(found.move, rows)} {found.prior:.1%}; without a stone it loses, in nats:")
        for name, value in ranked:
            print(f"  {name:<4} {value:+.2f}")
    if args.output:
        about = f"boardnet explain {path.name} --turn {found.prediction.turn}"
        figures.write(figures.depending(Path(which).name, found), args.output, about=about)
    if args.game is None:
        say_others(path, every=False)


def _explain_filter(args: argparse.Namespace) -> None:
    from boardnet import explain as explaining
    from boardnet import figures, records
    from boardnet.records import files

    layer, _, number = args.filter.partition(":")
    if number and not number.isdecimal():
        raise BoardnetError(f"a filter is LAYER:NUMBER, not {args.filter!r}")
    if not args.games:
        raise UsageError("name games in which to look for what excites the filter")
    games = (game for place in args.games for path in files(place)
             for game in records.iterate(path))  # fmt: skip
    chosen = [int(number)] if number else None
    network = explaining.load_network(args.weights)
    found = explaining.patterns(layer, chosen, games=games, network=network)
    for pattern in found:
        if pattern.dead:
            print(f"boardnet: filter {pattern.filter} of {layer} is dead", file=sys.stderr)
    drawn = figures.waiting(found[0]) if number else figures.all_waiting(found)
    figures.write(drawn, args.output, about=f"boardnet explain --filter {args.filter}")
