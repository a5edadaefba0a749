"""Whole maps, each read once."""

from collections.abc import Iterable
from dataclasses import fields, replace
from functools import cache

import geopandas as gpd
import pandas as pd

from zoomdiff.context import sources
from zoomdiff.context.tagged import Tagged


@cache
def read_source(source) -> Tagged:
    """The features of "helsinki" or of the map at a path."""
    return whole(sources.stream(sources.local(source), str(source)))


def whole(parts: Iterable[Tagged]) -> Tagged:
    """The features of all parts of a map."""
    parts = list(parts)
    layers = [each.name for each in fields(Tagged) if isinstance(getattr(parts[0], each.name), gpd.GeoDataFrame)]
    tables = {name: pd.concat([getattr(part, name) for part in parts], ignore_index=True) for name in layers}
    return replace(parts[0], **tables)
