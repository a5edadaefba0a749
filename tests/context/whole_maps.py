"""Whole maps, each read once."""

from functools import cache

from zoomdiff.context import sources
from zoomdiff.context.tagged import Tagged


@cache
def read_source(source) -> Tagged:
    """The features of "helsinki" or of the map at a path."""
    return sources.read(sources.local(source), str(source))
