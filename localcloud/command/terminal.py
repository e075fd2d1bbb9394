"""What others wrote, made fit for a terminal. Pure."""


def harmless(text: str) -> str:
    """The text with all that could steer a terminal written out, as `\\x1b`; line ends and tabs stay."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character in "\n\t"
        else character.encode("unicode_escape").decode()
        for character in text
    )
