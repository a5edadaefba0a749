"""Measured traffic: read from a table, and fitted to the levels of a region.

read                    a table becomes `MeasuredTraffic` (`read_measurements`)
traffic                 that type: any place and time
fit                     `MeasuredTraffic` becomes `FittedTraffic`, a week on a region (`fit`), which `hold` keeps to
sites                   which squares each base station serves
tables, geojson, times  what `read` is made of
"""
