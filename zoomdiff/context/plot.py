"""A picture of an urban context: houses and roads, use of the ground, places, people by night and at noon."""

import textwrap
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap, ListedColormap, LogNorm, Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from zoomdiff.context.classes import AOI_CLASSES, AOI_COLOURS, AOI_INDEX, POI_CATEGORIES, POI_COLOURS, ROAD_CLASSES
from zoomdiff.context.uec import STRUCTURE, UEC
from zoomdiff.errors import printable
from zoomdiff.files import whole_file, with_ending
from zoomdiff.region import Region

PAPER, INK, SMALL, WATER, RAIL = "#f6f4f0", "#2b2b33", "#555555", "#a9cfe8", "#1c1030"
HOUSE, ROAD, MAIN_ROAD, SHADE = "#9c4221", "#5c7f99", "#e0a100", "#b9b2a6"
NIGHT, NOON = 2 * 24 + 3, 2 * 24 + 12  # a Wednesday
ROAD_FULL, RAIL_FULL = 200.0, 150.0  # metres of line in a cell at which its colour is full
MAIN_ROADS = ("motorway", "primary")
MAIN_ROAD_SHOWN = 20.0  # metres in a cell from which it is drawn
SHADES = 8  # few, so that a map can be compared with its colour bar, and that the file stays small
DPI = 90
PANEL, SHORTEST = 6.0, 4.2  # inches: the longer side of a map, and what the legends need
SCALE_BARS = (100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)  # metres


def plot_uec(uec: UEC, title: str) -> Figure:
    """The context on one page, north up, with legends, units, scale bars, and the sources as a caption.

    Not pyplot: the figure belongs to the caller and may be drawn on any thread.
    """
    height, width = _size(uec.region)
    w, h = PANEL * min(1, width / height), PANEL * min(1, height / width)
    w, h = max(w, SHORTEST), max(h, SHORTEST)
    layout = ConstrainedLayoutEngine(rect=(0.008, 0.008, 0.984, 0.984), h_pad=0.12)
    figure = Figure(figsize=(3 * w + 0.6, 2 * h + 3.4), dpi=DPI, layout=layout, facecolor="white")
    # parse_math: a file's name is no formula, even with a dollar sign in it.
    figure.suptitle(printable(title), x=0.012, ha="left", fontsize=20, weight="bold", color=INK, parse_math=False)
    text = textwrap.wrap(" ".join((place_words(uec.region), *uec.sources, *uec.notes)), int(14 * figure.get_figwidth()))
    figure.supxlabel("\n".join(text), x=0.012, ha="left", fontsize=9, color=SMALL, parse_math=False)
    (structure, aoi, words), (poi, night, noon) = figure.subplots(2, 3)
    _structure(structure, uec)
    _aoi(aoi, uec)
    _poi(poi, uec)
    _people(night, noon, uec)
    _legends(words, uec)
    return figure


def write_plot(uec: UEC, path: str | Path, title: str) -> Path:
    """Write `plot_uec` as a PNG, whole or not at all, and return the path.

    Raises
    ------
    OptionError
        The name does not end in .png, or the file cannot be written.
    """
    path = with_ending(Path(path), ".png", "The picture")
    with whole_file(path, "The picture") as part:
        save_png(plot_uec(uec, title), part)
    return path


def save_png(figure: Figure, path: Path, comment: str = "") -> None:
    """Write a figure as a small PNG, with a comment in its text."""
    canvas, text = FigureCanvasAgg(figure), PngInfo()
    # Once: `savefig` draws twice, the first time to arrange the page, as the layout engine does here too.
    canvas.draw()  # type: ignore[no-untyped-call]  # of matplotlib
    if comment:
        text.add_itxt("Comment", comment)
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]  # of matplotlib
    Image.fromarray(pixels).convert("RGB").save(path, format="PNG", optimize=True, pnginfo=text)


def place_words(region: Region, k: int = -1) -> str:
    """Where a region is, and how large its cells are at level k."""
    height, width = _size(region)
    lon, lat = np.reshape(region.bounds, (2, 2)).mean(0)
    side = region.hierarchy[k].side
    return (
        f"{region.km2:,.3g} km² in {width:.1f} x {height:.1f} km around {abs(lat):.3f}° {'SN'[int(lat > 0)]}, "
        f"{abs(lon):.3f}° {'WE'[int(lon > 0)]}. Cells of {side:g} x {side:g} m, EPSG:{region.epsg}, north is up."
    )


def base_map(axes: Axes, uec: UEC, title: str, *, ground: bool = True) -> None:
    """An empty map of the region in kilometres, with its water and a scale bar."""
    height, width = _size(uec.region)
    axes.set(xlim=(0, width), ylim=(0, height), aspect="equal", anchor="N", xticks=[], yticks=[])
    axes.set_title(title, loc="left", fontsize=13, color=INK)
    axes.spines[:].set_visible(False)
    draw_cells(axes, uec.region, np.ones(uec.region.shape), ListedColormap([PAPER]))
    if ground:
        draw_cells(axes, uec.region, (uec.aoi == AOI_INDEX["water"]).astype(float), fade(WATER))
    bar = max([b for b in SCALE_BARS if b / 1000 <= 0.3 * width], default=SCALE_BARS[0])
    x, y = 0.03 * width, 0.03 * height
    words = f"{bar} m" if bar < 1000 else f"{bar // 1000} km"
    halo = [withStroke(linewidth=5, foreground=PAPER)]
    axes.plot([x, x + bar / 1000], [y, y], color=INK, lw=3, solid_capstyle="butt", path_effects=halo, zorder=5)
    axes.annotate(words, (x, y), (0, 6), textcoords="offset points", fontsize=9, color=INK, path_effects=halo, zorder=5)


def _structure(axes: Axes, uec: UEC) -> None:
    side = uec.region.hierarchy.finest.side
    cover = 100 * uec.structure[STRUCTURE.index("building_cover")]
    roads = side * uec.structure[[STRUCTURE.index(name) for name in ROAD_CLASSES if name != "path"]].sum(0)
    main = side * uec.structure[[STRUCTURE.index(name) for name in MAIN_ROADS]].sum(0) >= MAIN_ROAD_SHOWN
    base_map(axes, uec, "Houses and roads")
    streets = draw_cells(axes, uec.region, roads, fade(ROAD, 0.8), Normalize(0, ROAD_FULL))
    houses = draw_cells(axes, uec.region, cover, fade(HOUSE, 0.95), Normalize(0, 80))
    draw_cells(axes, uec.region, main.astype(float), fade(MAIN_ROAD))
    draw_cells(axes, uec.region, side * uec.structure[STRUCTURE.index("rail")], fade(RAIL), Normalize(0, RAIL_FULL))
    bar = partial(
        axes.figure.colorbar, ax=axes, location="bottom", shrink=0.8, aspect=40, pad=0.01, panchor=False, extend="max"
    )
    bar(streets, label="road, m per cell (without paths)")
    bar(houses, label="ground under buildings, % of the cell")


def _aoi(axes: Axes, uec: UEC) -> None:
    colours = [to_rgba(AOI_COLOURS.get(name, PAPER)) for name in AOI_CLASSES]
    base_map(axes, uec, "Main use of the ground", ground=False)
    draw_cells(axes, uec.region, uec.aoi.astype(float), ListedColormap(colours), Normalize(-0.5, len(colours) - 0.5))


def _poi(axes: Axes, uec: UEC) -> None:
    """One dot per point of interest, somewhere in its cell."""
    base_map(axes, uec, "Points of interest")
    draw_cells(axes, uec.region, uec.structure[STRUCTURE.index("building_cover")], fade(SHADE, 0.8))
    counts = np.rint(uec.poi * uec.region.mask()).astype(int)
    kind, row, col = (np.repeat(index, counts[counts > 0]) for index in np.nonzero(counts))
    within = np.random.default_rng(0).random((2, len(kind)))
    km = uec.region.hierarchy.finest.side / 1000
    x, y = (col + within[0]) * km, _size(uec.region)[0] - (row + within[1]) * km
    order = np.random.default_rng(1).permutation(len(kind))  # so that no kind lies on top of all others
    colours = np.array([to_rgba(POI_COLOURS[name]) for name in POI_CATEGORIES])[kind[order]]
    size = np.clip(20_000 / max(len(kind), 1), 4.0, 14.0)
    axes.scatter(x[order], y[order], s=size, c=colours, linewidths=0)


def _people(night: Axes, noon: Axes, uec: UEC) -> None:
    inside = uec.region.mask()
    there = uec.population[[NIGHT, NOON]][:, inside]
    top = np.quantile(there[there > 0], 0.999) if (there > 0).any() else 1.0
    norm = LogNorm(top / 1000, top)
    for axes, hour, words in ((night, NIGHT, "3:00"), (noon, NOON, "12:00")):
        people = uec.population[hour]
        base_map(axes, uec, f"People, Wednesday {words}: {people[inside].sum():,.0f}")
        drawn = draw_cells(axes, uec.region, np.maximum(people, top / 1e6), _ramp(), norm)
    bar = partial(night.figure.colorbar, location="bottom", shrink=0.5, aspect=50, pad=0.01, panchor=False)
    bar(drawn, ax=[night, noon], label="people per cell", format="{x:g}", extend="both")


def _legends(axes: Axes, uec: UEC) -> None:
    """What the colours mean, and how much there is of each."""
    axes.axis("off")
    inside = uec.region.mask()
    share = np.bincount(uec.aoi[inside], minlength=len(AOI_CLASSES)) / inside.sum()
    uses = [
        Patch(facecolor=AOI_COLOURS.get(name, PAPER), edgecolor="#bbbbbb", linewidth=0.5, label=f"{name}  {part:.1%}")
        for name, part in sorted(zip(AOI_CLASSES, share, strict=True), key=lambda item: -item[1])
        if part >= 0.0005
    ]
    places = [
        Line2D([], [], marker="o", ls="", color=POI_COLOURS[name], label=f"{name}  {number:,.0f}")
        for name, number in sorted(
            zip(POI_CATEGORIES, uec.poi[:, inside].sum(1), strict=True), key=lambda item: -item[1]
        )
        if number
    ]
    lines = [
        Line2D([], [], marker="s", ls="", color=RAIL, label="rail"),
        Line2D([], [], marker="s", ls="", color=MAIN_ROAD, label="main road"),
        Line2D([], [], marker="s", ls="", color=WATER, label="water"),
    ]
    columns: list[tuple[Sequence[Patch | Line2D], str, tuple[float, float]]] = [
        (uses, "Main use, of the ground", (0, 1)),
        (places, "Points of interest", (0.52, 1)),
        (lines, "Houses and roads", (0.52, 0.32)),
    ]
    for handles, title, place in columns:
        legend = Legend(
            axes,
            handles,
            [str(handle.get_label()) for handle in handles],
            title=title,
            loc="upper left",
            bbox_to_anchor=place,
            borderaxespad=0,
            frameon=False,
            fontsize=11,
            title_fontsize=12,
            alignment="left",
        )
        axes.add_artist(legend)


def draw_cells(
    axes: Axes, region: Region, values: np.ndarray, colours: Colormap, norm: Normalize | None = None, k: int = -1
) -> AxesImage:
    """Values (H_k, W_k) of the region's cells at level k, nothing outside of it."""
    height, width = _size(region)
    shown = np.ma.array(values, mask=~region.mask(k))
    return axes.imshow(
        shown, cmap=colours, norm=norm or Normalize(0, 1), extent=(0, width, 0, height), interpolation="nearest"
    )


def _size(region: Region) -> tuple[float, float]:
    """Kilometres (south to north, west to east) of the frame."""
    side = region.hierarchy.finest.side / 1000
    height, width = region.shape
    return height * side, width * side


def fade(colour: str, most: float = 1.0) -> ListedColormap:
    """From nothing to a colour of opacity `most`, quickly at first, so that little is seen, too."""
    opacity = most * np.linspace(0, 1, SHADES) ** 0.7
    return ListedColormap([(*to_rgba(colour)[:3], alpha) for alpha in opacity])


def _ramp() -> LinearSegmentedColormap:
    """From nothing over orange to dark purple."""
    stops = [(1, 0.93, 0.75, 0.0), "#fdd49e", "#fc8d59", "#d7301f", "#7f0000", "#2d0030"]
    return LinearSegmentedColormap.from_list("people", stops, N=2 * SHADES)
