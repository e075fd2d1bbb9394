"""Strangers' text, in which nothing hides: what is invisible or turns the order of reading is spelt out."""

import re

from markupsafe import Markup, escape

# Controls, format characters (those of bidirectional text among them), blanks other than the space, fillers
# that show nothing, halves of surrogate pairs: a test holds this against the Unicode database.
_ODD = re.compile(
    "[\x00-\x1f\x7f-\xa0\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u1680\u180e"
    "\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb\U000110bd"
    "\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_NEWLINE = Markup('<span class="odd">⏎</span>\n')


def visible(text: object) -> Markup:
    """The text for a page, escaped, each character that cannot be seen as its code; None is nothing.

    A line break stays one, behind a mark. The whole stands by itself: text that is written from right to left
    does not move what is beside it.
    """
    if text is None:
        return Markup()
    shown, done = [], 0
    whole = str(text)
    for match in _ODD.finditer(whole):
        shown.append(escape(whole[done : match.start()]))
        shown.append(_spell(match.group()))
        done = match.end()
    shown.append(escape(whole[done:]))
    return Markup("<bdi>{}</bdi>").format(Markup().join(shown))


def _spell(character: str) -> Markup:
    if character == "\n":
        return _NEWLINE
    return Markup('<span class="odd">U+{}</span>').format(f"{ord(character):04X}")
