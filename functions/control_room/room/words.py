"""The words of the pages, in each language.

`words/<page>.<language>.json` holds texts by key; the key in a template is `<page>.<key>`. A text that counts
is an object of plural forms (https://cldr.unicode.org/index/cldr-spec/plural-rules), chosen by `count`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from babel import Locale

LANGUAGES = {"en": "en", "pt": "pt_BR"}
_FOLDER = Path(__file__).parent / "words"


class Words:
    """The texts of one language; raises KeyError for a key that it lacks."""

    def __init__(self, language: str, texts: Mapping[str, Any]) -> None:
        self.locale = Locale.parse(LANGUAGES[language])
        self._texts = texts

    def say(self, key: str, **values: object) -> str:
        """The text for `key`, with `{name}` replaced by the values as they are: numbers come formatted."""
        text = self._texts[key]
        if isinstance(text, dict):
            # Portuguese says "um milhão de linhas", yet "1.000.000 linhas": a text may leave that form out.
            text = text.get(self.locale.plural_form(int(str(values["count"]))), text["other"])
        return str(text).format(**values) if values else str(text)

    def has(self, key: str) -> bool:
        return key in self._texts


def read_words(folder: Path = _FOLDER) -> dict[str, Words]:
    """The words of every language, by its code."""
    texts: dict[str, dict[str, Any]] = {language: {} for language in LANGUAGES}
    for path in sorted(folder.glob("*.json")):
        page, language = path.stem.rsplit(".", 1)
        for key, text in json.loads(path.read_text(encoding="utf-8")).items():
            texts[language][f"{page}.{key}"] = text
    return {language: Words(language, found) for language, found in texts.items()}
