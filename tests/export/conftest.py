import numpy as np
import pytest
from made_up import made_up_uec, made_up_week

from zoomdiff.export.formats import Export
from zoomdiff.region import Region
from zoomdiff.week import TrafficWeek


@pytest.fixture(scope="session")
def region() -> Region:
    """3 x 3 blocks in Helsinki around one that does not belong to it."""
    blocks = np.ones((3, 3), bool)
    blocks[1, 1] = False
    return Region.of_blocks(32635, 8318, 964, blocks)


@pytest.fixture(scope="session")
def week(region) -> TrafficWeek:
    return made_up_week(region)


@pytest.fixture(scope="session")
def export(week, region) -> Export:
    return Export(week, made_up_uec(region))
