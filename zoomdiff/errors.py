"""Everything that can be wrong with a user's input. The CLI and the app show the message as it is."""

import unicodedata

JOINERS = "\u200c\u200d"  # zero-width, needed by Persian, Indic scripts and emoji
BYTES = range(0xDC80, 0xDD00)  # how Python keeps the bytes of a name that is no UTF-8


class ZoomDiffError(Exception):
    """Base class: a message of one sentence that says what is wrong and what to do; `printable`, whatever it quotes."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def printable(text: str) -> str:
    r"""Text from outside, such as a file's name or what is in it, as it can be shown and written anywhere.

    Bytes that are no UTF-8, control characters (line breaks and the escape codes of terminals among them) and those
    that turn the direction of writing are written as in a string of Python or a shell's $'...'.

    Examples
    --------
    >>> print(printable("a\x1b[31m.nc"), printable("Zürich 東京.nc"))
    a\x1b[31m.nc Zürich 東京.nc
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def is_utf8(name: str) -> bool:
    """Whether the name of a file is text in UTF-8, as native libraries need it."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _shown(character: str) -> str:
    if character.isprintable() or character in JOINERS or unicodedata.category(character) == "Zs":
        return character
    if ord(character) in BYTES:
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


class RegionError(ZoomDiffError):
    """The region cannot be used: not a polygon, self-crossing, empty, too large, at a pole or the antimeridian."""


class RegionTooLargeError(RegionError):
    """The region is larger than the limit that was set for it."""


class MapError(ZoomDiffError):
    """The map cannot be read, or does not cover the region."""


class OptionError(ZoomDiffError):
    """A setting is out of its range: steps, device, output folder."""


class CheckpointError(ZoomDiffError):
    """Weights are missing, damaged, or were trained for another hierarchy."""


class DataError(ZoomDiffError):
    """A table of measurements or of sites cannot be used; names the row wherever one row is at fault."""
