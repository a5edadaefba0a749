"""Users' own tables: reading them, finding their columns, and naming the row that is wrong."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from zoomdiff.errors import DataError
from zoomdiff.measured.geojson import read_geojson_table

# Names by which a column is recognised, in any case and without spaces and signs: "Cell-ID" is "cellid".
SYNONYMS = {
    "time": ("time", "timestamp", "datetime", "date", "starttime", "start", "timeinterval", "period"),
    "bytes": ("bytes", "volume", "traffic", "volumebytes", "trafficbytes", "totalbytes", "datavolume", "trafficvolume"),
    "lon": ("lon", "lng", "long", "longitude"),
    "lat": ("lat", "latitude"),
    "cell": ("cell", "cellid", "grid", "gridid", "square", "squareid", "tile", "tileid"),
    "site": ("site", "siteid", "station", "stationid", "bs", "bsid", "basestation", "enb", "enodeb", "gnb", "gnodeb"),
    "geometry": ("geometry", "geom", "wkt", "polygon"),
}
TEXT = {".csv", ".txt", ".tsv"}
PARQUET = {".parquet", ".geoparquet", ".pq"}
GEOJSON = {".geojson", ".json"}
MOST_COLUMNS = 10_000  # a row per time and cell needs a few, and a line of a million takes long
MOST_ROWS = 20_000_000  # a small Parquet file can hold more than fits in memory


@dataclass(frozen=True)
class Table:
    """A table as it was read, and how its rows are named in messages.

    Attributes
    ----------
    frame
        Its index numbers the rows as a person would: the line of a file, or from 1.
    name
        Of the file.
    row
        What a row is called: "row", "line" or "value".
    """

    frame: pd.DataFrame
    name: str
    row: str = "row"

    def error(self, row: int, problem: str) -> DataError:
        """The DataError that says what is wrong with one row of the index."""
        return DataError(f"{self.name}, {self.row} {row}: {problem}.")

    def find(self, role: str, columns: Mapping[str, str] | None) -> str | None:
        """The column with a role of SYNONYMS: the one named in `columns`, else by synonym, else None.

        Raises DataError if `columns` names a missing one, or if several columns have a synonym.
        """
        if columns and role in columns:
            if columns[role] not in self.frame:
                raise DataError(f"{self.name} has no column {columns[role]!r}: its columns are {self._names()}.")
            return columns[role]
        found = [name for name in map(str, self.frame) if re.sub(r"[\W_]", "", name.lower()) in SYNONYMS[role]]
        if len(found) > 1:
            raise DataError(
                f"{self.name} has {len(found)} columns that may be the {role} ({', '.join(found)}): "
                f"name one of them, columns={{{role!r}: {found[0]!r}}}."
            )
        return found[0] if found else None

    def need(self, role: str, columns: Mapping[str, str] | None) -> str:
        """As `find`, but a DataError where there is none."""
        name = self.find(role, columns)
        if name is None:
            raise DataError(
                f"{self.name} has no column for the {role} among {self._names()}: call it {SYNONYMS[role][0]!r}, "
                f"or name it with columns={{{role!r}: ...}}."
            )
        return name

    def _names(self) -> str:
        return ", ".join(map(str, self.frame.columns))

    def text(self, column: str) -> pd.Series:
        """A column as text without blanks around it; '' where it is empty."""
        return self.frame[column].astype(object).where(self.frame[column].notna(), "").astype(str).str.strip()

    def numbers(self, column: str, what: str) -> pd.Series:
        """A column as floats, NaN where it is empty; DataError for anything that is not a finite number."""
        values = self.frame[column]
        if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
            text = self.text(column)
            values = pd.to_numeric(text, errors="coerce")
            wrong = values.isna() & ~text.str.lower().isin(["", "nan", "na", "null"])
        else:
            wrong = pd.Series(False, values.index)
        values = values.astype(float)
        wrong |= np.isinf(values)
        if (row := first_row(wrong)) is not None:
            raise self.error(row, f"the {what} {str(self.frame.loc[row, column])!r} is not a number")
        return values

    def lonlat(self, lon: str, lat: str) -> np.ndarray:
        """(rows, 2) degrees of two columns; DataError where one is no number or out of range."""
        both = []
        for column, what, limit in ((lon, "longitude", 180), (lat, "latitude", 90)):
            degrees = self.numbers(column, what)
            if (row := first_row(degrees.isna())) is not None:
                raise self.error(row, f"the {what} is missing")
            if (row := first_row(degrees.abs() > limit)) is not None:
                raise self.error(row, f"the {what} {degrees[row]:g} is not within -{limit}..{limit} degrees")
            both.append(degrees)
        return np.stack(both, -1)

    def shapes(self, column: str) -> np.ndarray:
        """(rows,) shapely geometries in degrees, from geometries, WKB or WKT; DataError where one is none."""
        values = self.frame[column]
        if isinstance(values, gpd.GeoSeries):
            shapes = np.array(values if values.crs is None else values.to_crs(4326))
        else:
            is_wkb = isinstance(values.iloc[0], bytes)
            read = shapely.from_wkb if is_wkb else shapely.from_wkt
            shapes = read((values if is_wkb else self.text(column)).to_numpy(object), on_invalid="ignore")
        wrong = shapely.is_missing(shapes) | shapely.is_empty(shapes)
        west, south, east, north = shapely.bounds(shapes).T
        wrong |= ~((west >= -180) & (south >= -90) & (east <= 180) & (north <= 90))
        if wrong.any():
            row = self.frame.index[wrong.argmax()]
            raise self.error(row, f"{str(values[row])!r:.60} is not a geometry in degrees")
        return shapes


def first_row(wrong: pd.Series) -> int | None:
    """The index of the first row where `wrong` is True; None if it is nowhere."""
    return int(wrong.index[int(wrong.argmax())]) if wrong.any() else None


def read_table(source: str | Path | pd.DataFrame, name: str | None = None) -> Table:
    """Read CSV (comma, semicolon or tab), GeoJSON, Parquet or GeoParquet; or take a DataFrame as it is.

    All columns of a CSV are text, so that a wrong value can be shown as it was written.

    Parameters
    ----------
    name
        What a DataFrame is called in messages.

    Raises
    ------
    DataError
        The file cannot be read, is none of these, or holds no rows.
    """
    if isinstance(source, pd.DataFrame):
        table = Table(source.set_axis(range(1, len(source) + 1)), name or "The table")
    else:
        path = Path(source)
        try:
            if path.suffix.lower() in TEXT:
                table = Table(_read_text(path), path.name, "line")
            elif path.suffix.lower() in PARQUET:
                table = Table(_read_parquet(path), path.name)
            elif path.suffix.lower() in GEOJSON:
                frame = read_geojson_table(path)
                table = Table(frame.set_axis(range(1, len(frame) + 1)), path.name, "value")
            else:
                raise DataError(f"{path.name} is not a table that can be read: give CSV, GeoJSON or (Geo)Parquet.")
        except OSError as error:
            raise DataError(f"{path.name} cannot be read: {os.strerror(error.errno or 0)}.") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{path.name} is not text in UTF-8: save it again as CSV UTF-8.") from error
        except (pd.errors.ParserError, pa.ArrowException, ValueError) as error:
            ragged = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
            if ragged:
                want, line, have = ragged.groups()
                raise DataError(f"{path.name}, line {line}: {have} fields where the header has {want}.") from error
            raise DataError(f"{path.name} is damaged or not what its name says.") from error
    if table.frame.empty:
        raise DataError(f"{table.name} holds no rows.")
    return table


def _read_text(path: Path) -> pd.DataFrame:
    with path.open(encoding="utf-8-sig") as file:
        header = file.readline()
    delimiter = max(",;\t", key=header.count)
    if header.count(delimiter) >= MOST_COLUMNS:
        raise DataError(
            f"{path.name} has more than {MOST_COLUMNS:,} columns: give a row per time and cell, with its bytes."
        )
    # Blank lines are read and dropped afterwards: skipped while reading, they would shift the numbers of all lines.
    frame = pd.read_csv(
        path, sep=delimiter, dtype=str, keep_default_na=False, skip_blank_lines=False, encoding="utf-8-sig"
    )
    if not isinstance(frame.index, pd.RangeIndex):  # pandas takes what the header does not name for an index
        raise DataError(f"{path.name}, line 2: more fields than the header has.")
    frame.index += 2  # the header is line 1
    return frame[(frame.fillna("") != "").any(axis=1)]


def _read_parquet(path: Path) -> pd.DataFrame:
    about = pq.read_metadata(path)
    if about.num_rows > MOST_ROWS:
        raise DataError(f"{path.name} has {about.num_rows:,} rows and the limit is {MOST_ROWS:,}: take a shorter time.")
    is_geo = b"geo" in (about.metadata or {})
    frame = gpd.read_parquet(path) if is_geo else pd.read_parquet(path)
    return frame.set_axis(range(1, len(frame) + 1))
