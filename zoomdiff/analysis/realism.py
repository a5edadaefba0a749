"""A generated week beside real cities: the realism table of its urban blocks."""

import pandas as pd

from zoomdiff.context.uec import UEC
from zoomdiff.errors import OptionError
from zoomdiff.week import TrafficWeek

FEWEST_BLOCKS = 30  # below that the busiest tenth, one of the statistics, is one or two blocks


def beside_real_cities(week: TrafficWeek, uec: UEC) -> pd.DataFrame:
    """The realism table (`realism.table.realism_table`) with the week as its sample "week", in blocks of 400 m.

    Compared are the urban blocks that carry traffic, as open measurements are of cities; statistics that a week of this
    region does not have are left out.

    Raises
    ------
    OptionError
        There are fewer than FEWEST_BLOCKS such blocks.
    """
    from zoomdiff.realism.samples import City
    from zoomdiff.realism.statistics import HourlyGrid  # takes four seconds to load
    from zoomdiff.realism.table import realism_table

    block = week.region.hierarchy.block
    urban = City("here", uec).urban & week.region.blocks
    sample = HourlyGrid.of_week(week.volumes[-1], block, urban=urban, poi=uec.poi.sum(0))
    if (blocks := sample.cells.shape[1]) < FEWEST_BLOCKS:
        km2 = FEWEST_BLOCKS * (week.region.hierarchy[0].side / 1000) ** 2
        raise OptionError(
            f"Only {blocks} base stations of this region are busy and in a town, too few to compare with a city: "
            f"take a region with at least {FEWEST_BLOCKS} of them, about {km2:.0f} km²."
        )
    table = realism_table({"week": sample})
    return table[table["week"].notna()]
