"""What a network is given about a region: the one place where the UEC's channels and the presets are put in order."""

from zoomdiff.context.classes import AOI_CLASSES, POI_CATEGORIES
from zoomdiff.context.uec import STRUCTURE, UEC
from zoomdiff.diffusion.conditions import Conditions
from zoomdiff.presets import PRESETS, check_preset

# Saved with the weights: they fit no other version's.
INPUTS = {
    "structure": list(STRUCTURE),
    "aoi": list(AOI_CLASSES),
    "poi": list(POI_CATEGORIES),
    "preset": list(PRESETS),
}


def conditions_of(uec: UEC, preset: str) -> Conditions:
    """The UEC as tensors at the finest level, a batch of one. Raises OptionError for an unknown preset."""
    check_preset(preset)
    return Conditions.from_arrays(
        uec.structure,
        uec.aoi,
        uec.poi,
        uec.population,
        aoi_classes=len(AOI_CLASSES),
        preset=INPUTS["preset"].index(preset),
    )
