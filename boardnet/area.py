"""Area: what each side surrounds, counting every stone on the board as alive.

Nothing here knows whether a stone is dead: play it out first, as area scoring allows.
"""

from collections.abc import Iterator, Sequence

from boardnet.rules import BLACK, EMPTY, WHITE

Stones = Sequence[int]  # [cell] EMPTY, BLACK or WHITE, row by row from the top


def score(stones: Stones, rows: int, columns: int, komi: float) -> float:
    """Black's area less White's and komi (area scoring): above 0 if Black wins.

    >>> score([0, 1, 0, 2, 0, 0], 1, 6, komi=0.5)
    -1.5
    """
    held = {colour: sum(stone == colour for stone in stones) for colour in (BLACK, WHITE)}
    for region, around in regions(stones, rows, columns):
        if len(around) == 1:
            held[around.pop()] += len(region)
    return held[BLACK] - held[WHITE] - komi


def is_settled(stones: Stones, rows: int, columns: int) -> bool:
    """Whether nothing is left to be taken: every empty region touches stones of one side only."""
    return all(len(around) == 1 for _, around in regions(stones, rows, columns))


def regions(stones: Stones, rows: int, columns: int) -> Iterator[tuple[list[int], set[int]]]:
    """Connected empty points, and the colours of the stones beside them."""
    seen = [stone != EMPTY for stone in stones]
    for first in range(rows * columns):
        if seen[first]:
            continue
        seen[first] = True
        region, around = [first], set()
        for cell in region:  # grows while it is walked
            for near in neighbours(cell, rows, columns):
                if stones[near] != EMPTY:
                    around.add(stones[near])
                elif not seen[near]:
                    seen[near] = True
                    region.append(near)
        yield region, around


def is_eye(stones: Stones, rows: int, columns: int, cell: int, colour: int) -> bool:
    """Whether an empty point is an eye of `colour` that only a mistake would fill.

    All points beside it are that colour's, and so few of the points across its corners are the
    opponent's that it cannot be a false one: at most one, none at the edge (the usual rule of
    playouts, as in Brügmann 1993).
    """
    if stones[cell] != EMPTY:
        return False
    if any(stones[near] != colour for near in neighbours(cell, rows, columns)):
        return False
    row, column = divmod(cell, columns)
    corners = [
        (row + down) * columns + column + across
        for down in (-1, 1)
        for across in (-1, 1)
        if 0 <= row + down < rows and 0 <= column + across < columns
    ]
    enemies = sum(stones[corner] == BLACK + WHITE - colour for corner in corners)
    return enemies < (2 if len(corners) == 4 else 1)


def neighbours(cell: int, rows: int, columns: int) -> list[int]:
    """The points beside one."""
    row, column = divmod(cell, columns)
    found = []
    if row:
        found.append(cell - columns)
    if row < rows - 1:
        found.append(cell + columns)
    if column:
        found.append(cell - 1)
    if column < columns - 1:
        found.append(cell + 1)
    return found
