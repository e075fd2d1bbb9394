"""Tell the state of CSV text after each of its tokens: the delimiters, line ends and quotes, in order.

Where every quote opens or closes a field, quotes alone tell. Elsewhere an automaton runs over the tokens,
never over the bytes: they are laid out in columns that are stepped through side by side, at first from every
state, because the state in which a column begins is known only once the one before it has ended.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint8]

# States after a token: at the start of a field, in a field without quotes, within quotes, after a quote
# within quotes (it closes, or is the first of two), and in a record torn by text after a closing quote.
START, PLAIN, QUOTED, CLOSED, TORN = range(5)
DELIMITER, LINE_END, QUOTE = range(3)

# Next state, by kind of token, then by whether other text stands before it, then by state.
_NEXT = (
    ((START, START, QUOTED, START, TORN), (START, START, QUOTED, TORN, TORN)),
    ((START, START, QUOTED, START, START), (START, START, QUOTED, START, START)),
    ((QUOTED, PLAIN, CLOSED, QUOTED, TORN), (PLAIN, PLAIN, CLOSED, TORN, TORN)),
)
# A transition is a number of 5 bits a state, which hold the next state times 5: where that one's bits begin.
_BITS = 5
_MASK = np.uint32(2**_BITS - 1)
_TRANSITIONS = np.array(
    [
        sum(_BITS * after << _BITS * state for state, after in enumerate(row))
        for rows in _NEXT
        for row in rows
    ],
    np.uint32,
)
_STAY = np.uint32(sum(_BITS * state << _BITS * state for state in range(5)))
# So many columns make a step of the automaton worth its call.
_COLUMNS = 2048


def follow(codes: Codes) -> Codes:
    """Return the state after each token. A code is twice a token's kind, plus 1 if text stands before it."""
    states = _pair_quotes(codes)
    return _run(codes) if states is None else states


def _pair_quotes(codes: Codes) -> Codes | None:
    """Return the states if quotes stand only where a field begins or ends, or doubled; None otherwise."""
    quotes = codes >= 2 * QUOTE
    # Whether the number of quotes so far is odd; a byte that overflows stays right.
    inside = (np.cumsum(quotes, dtype=np.uint8) & 1).view(np.bool_)
    closing = quotes & ~inside
    misplaced = quotes & inside
    misplaced[1:] |= closing[:-1]
    if np.any(misplaced & (codes & 1).view(np.bool_)):
        return None
    states: Codes = np.uint8(QUOTED) * inside.view(np.uint8) + np.uint8(CLOSED) * closing.view(np.uint8)
    return states


def _run(codes: Codes) -> Codes:
    """Return the states, whatever stands where."""
    columns = min(_COLUMNS, max(1, len(codes) // 8))
    height = -(-len(codes) // columns)
    steps = np.full(columns * height, _STAY, np.uint32)
    steps[: len(codes)] = _TRANSITIONS[codes]
    # Row by row in memory: a step takes the next token of every column.
    steps = np.ascontiguousarray(steps.reshape(columns, height).T)
    ends = np.repeat(_BITS * np.arange(5, dtype=np.uint32)[:, None], columns, axis=1)
    for step in steps:
        np.right_shift(step, ends, out=ends)
        np.bitwise_and(ends, _MASK, out=ends)
    states = _begin(ends)
    for index, step in enumerate(steps):
        np.right_shift(step, states, out=states)
        np.bitwise_and(states, _MASK, out=states)
        steps[index] = states
    flat: Codes = (steps.T.astype(np.uint8) // _BITS).reshape(-1)[: len(codes)]
    return flat


def _begin(ends: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the state in which each column begins, given where each would end from every state."""
    found = []
    state = _BITS * START
    for column in ends.T.tolist():
        found.append(state)
        state = column[state // _BITS]
    return np.array(found, np.uint32)
