"""Regions of any size: made piece by piece into a Zarr store, in one process or on many machines, and resumed.

layout   how the raster of a region is cut into pieces, level by level
tiles    a map, cut once into tiles that are small enough to read
store    the Zarr store, what is done already, and what the run was asked for
work     one piece: its context, or one stage of the model on it
engine   who does the pieces: this process, or Ray
refine   measured traffic of a network, spread over pieces and kept
run      the passes one after another
result   what is to know of a week that is complete
read     a store that is complete, part by part
export   its files in other formats
reproduce  a store made again from its attributes
"""

from zoomdiff.large.read import StoredWeek, open_store

__all__ = ["StoredWeek", "open_store"]  # not those of `run`: who reads a store needs no torch
