"""Everything that can be wrong with a user's input. The CLI and the app show the message as it is."""


class ZoomDiffError(Exception):
    """Base class: a message of one sentence that says what is wrong and what to do."""


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
