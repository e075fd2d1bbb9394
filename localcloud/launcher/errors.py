"""The two ways a command ends badly."""


class CommandError(Exception):
    """The command could not do what was asked; the message says what was expected, found, and what to do."""


class UsageError(Exception):
    """The command was asked for something that makes no sense as it stands; exit code 2."""
