"""Presets: whose habits the people have. The simulator has parameters for each, the network an input."""

from zoomdiff.errors import OptionError

PRESETS = ("china", "europe")


def check_preset(name: str) -> None:
    """Raise OptionError for an unknown preset."""
    if not isinstance(name, str) or name not in PRESETS:
        raise OptionError(f"There is no preset {name!r}: choose {' or '.join(PRESETS)}.")
