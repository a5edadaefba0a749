/** The map: ground, traffic, frames around clicked cells, tooltip and legend. */

import L from "./leaflet";
import { Picture, Raster } from "./canvas";
import { colours, gradient, ticks, volumeOf } from "./colour";
import { Controls } from "./controls";
import { Draw } from "./draw";
import { feed, onFeed } from "./feeds";
import { Frame } from "./frame";
import type { Cell, LevelData, MapData, View } from "./types";
import { bytes, element, fill, timeLabel } from "./words";

const OSM = "https://tile.openstreetmap.org/{z}/{x}/{y}.png";
const OSM_CREDIT = "© OpenStreetMap contributors";
const MARKS = ["#8a2a56", "#1f6f9f", "#2e7d4f", "#b8621b", "#8465c9", "#7d7787"]; // app/charts.py: PLACE_COLOURS
const OUTLINED = 20_000; // blocks: more would be a grey haze, and slow

export type Send = (name: "view" | "drawn", value: unknown) => void;

/** What the user looked at lasts when Streamlit builds the element anew. */
const windows = new Map<string, { id: string; centre: L.LatLng; zoom: number }>();

export class ZoomMap {
  private readonly box = element("div", { class: "zd-map", role: "application", "aria-label": "Map" });
  private readonly legend = element("div", { class: "zd-legend" });
  private readonly map: L.Map;
  private readonly controls: Controls;
  private readonly draw: Draw;
  private readonly tiles: L.TileLayer;
  private readonly ground = L.layerGroup();
  private readonly marks = L.layerGroup();
  private readonly lines = L.layerGroup();
  private readonly tip = L.tooltip({ direction: "top", offset: [0, -6] });
  private readonly forget: () => void;
  private readonly resized: ResizeObserver;
  private data!: MapData;
  private frame!: Frame;
  private raster: Raster | null = null;
  private places: Cell[] = [];
  private dark = false;
  private ready = -1;
  private wanted: View | null = null; // what Python wants to be shown
  private next: MapData | null = null; // shown once its traffic has come

  constructor(
    private readonly root: HTMLElement,
    private readonly key: string,
    private readonly send: Send,
  ) {
    this.controls = new Controls(() => this.show(), () => this.report());
    this.root.append(this.box, this.controls.bar);
    this.map = L.map(this.box, { zoomSnap: 0.1, zoomDelta: 0.5, wheelPxPerZoomLevel: 120, minZoom: 3, maxZoom: 19, attributionControl: true });
    this.map.attributionControl.setPrefix("Leaflet");
    for (const [name, z] of [["zd-ground", 150], ["zd-over", 250], ["zd-traffic", 300], ["zd-lines", 350]] as const) {
      const pane = this.map.createPane(name);
      pane.style.zIndex = String(z);
      pane.style.pointerEvents = "none";
    }
    [this.ground, this.lines, this.marks].forEach((group) => group.addTo(this.map));
    this.tiles = L.tileLayer(OSM, { attribution: OSM_CREDIT, maxZoom: 19, className: "zd-tiles" });
    this.tileSwitch().addTo(this.map);
    this.homeButton().addTo(this.map);
    this.box.append(this.legend);
    this.draw = new Draw(this.map, (polygon) => this.send("drawn", polygon));
    this.map.on("click", (event) => this.clicked(event));
    this.map.on("mousemove", (event) => this.hover(event));
    this.map.on("mouseout", () => this.tip.remove());
    this.map.on("moveend", () => {
      if (this.data) windows.set(this.key, { id: this.place, centre: this.map.getCenter(), zoom: this.map.getZoom() });
    });
    this.forget = onFeed(() => this.update(this.next ?? this.data));
    this.resized = new ResizeObserver(() => this.map.invalidateSize({ animate: false }));
    this.resized.observe(this.box);
  }

  remove(): void {
    this.forget();
    this.resized.disconnect();
    this.controls.pause(false);
    this.map.remove();
    this.root.replaceChildren();
  }

  update(data: MapData): void {
    if (!data) return;
    const old = this.data as MapData | undefined;
    const complete = data.levels.every((level) => feed(level.feed));
    const whole = this.ready > 0 && this.ready === old?.levels.length && !old.quiet;
    const alike = JSON.stringify(old?.frame) === JSON.stringify(data.frame);
    this.next = whole && alike && !complete && !data.quiet ? data : null;
    if (this.next) return; // no flicker: what is shown stays until all of the other has come
    this.data = data;
    const turned = this.dark !== isDark(this.root);
    this.dark = isDark(this.root);
    this.root.classList.toggle("zd-dark", this.dark);
    const moved = !old || JSON.stringify([old.frame, old.fit]) !== JSON.stringify([data.frame, data.fit]);
    if (moved) this.look();
    if (moved || JSON.stringify([old!.basemap, old!.overlays]) !== JSON.stringify([data.basemap, data.overlays])) this.paintGround();
    if (moved || turned || JSON.stringify([old!.blocks, old!.wanted]) !== JSON.stringify([data.blocks, data.wanted])) this.paintLines();
    this.draw.update(data.drawing, data.levels.length > 0);
    if (data.tiles && !old?.tiles) this.online(true);

    const there = data.levels.findIndex((level) => !feed(level.feed));
    const ready = there < 0 ? data.levels.length : there;
    const fresh = !old || old.id !== data.id;
    if (fresh) {
      this.places = data.view.places;
      this.wanted = data.view;
    }
    this.controls.update(data.levels, ready);
    if (data.quiet && ready > this.ready) this.controls.go(ready - 1, this.wanted?.hour ?? this.controls.choice.hour);
    if (!data.quiet && this.wanted && ready) this.controls.go(this.wanted.level, this.wanted.hour);
    if (ready === data.levels.length) this.wanted = null; // until all have come the coarser ones are shown
    this.ready = ready;
    [data.people, data.use?.feed].forEach(feed); // in use
    this.show();
  }

  private get place(): string {
    return JSON.stringify(this.data.frame);
  }

  private get level(): LevelData | undefined {
    return this.ready > 0 ? this.data.levels[this.controls.choice.level] : undefined;
  }

  /** Go to the region, or to where the user was in it. */
  private look(): void {
    this.frame = new Frame(this.data.frame);
    this.raster?.remove();
    this.raster = null;
    if (this.draw.busy) return; // a vertex was dragged: the next one is wanted where it is
    const known = windows.get(this.key);
    if (known?.id === this.place) this.map.setView(known.centre, known.zoom, { animate: false });
    else this.fit();
  }

  private fit(): void {
    const [west, south, east, north] = this.data.fit;
    this.map.fitBounds([[south, west], [north, east]], { animate: false, padding: [24, 24] });
  }

  private paintGround(): void {
    this.ground.clearLayers();
    const { basemap, overlays, credit } = this.data;
    if (basemap) {
      const picture = new Picture(basemap.url, new Frame(basemap.frame), true, "zd-ground", "zd-paper");
      (picture.options as L.LayerOptions).attribution = escapeHtml(credit);
      this.ground.addLayer(picture);
    }
    for (const overlay of overlays) {
      if (overlay.url) {
        const layer = new Picture(overlay.url, this.frame, false, "zd-over");
        layer.setOpacity(overlay.opacity);
        this.ground.addLayer(layer);
      }
      for (const { p, c } of overlay.points ?? []) {
        this.ground.addLayer(L.circleMarker([p[1], p[0]], {
          radius: 4, weight: 0.8, color: "#fff", fillColor: `rgb(${c.slice(0, 3).join(" ")})`, fillOpacity: 1,
          interactive: false, pmIgnore: true, pane: "zd-lines", renderer: this.renderer,
        } as L.CircleMarkerOptions));
      }
    }
  }

  private readonly renderer = L.canvas({ pane: "zd-lines" });
  private online: (on: boolean) => void = () => {};

  /** The blocks of the region, and the outline that it was made from. */
  private paintLines(): void {
    this.lines.clearLayers();
    const { blocks, wanted } = this.data;
    const [rows, cols] = [blocks.length, blocks[0]?.length ?? 0];
    const few = rows * cols <= OUTLINED;
    const style = { interactive: false, pmIgnore: true, fill: false, renderer: this.renderer } as L.PolylineOptions;
    const rings = (few ? blocks : []).flatMap((row, r) =>
      [...row].flatMap((there, c) => (there === "1" ? [[this.frame.ring([r, c], rows, cols)]] : [])),
    );
    const [grid, asked] = this.dark ? ["#d6d2dc", "#e07aa0"] : ["#46424e", "#8a2a56"];
    this.lines.addLayer(L.polygon(rings, { ...style, color: grid, weight: 1, opacity: 0.4 }));
    const outlines = wanted.map((ring) => [ring.map(([lon, lat]) => L.latLng(lat, lon))]);
    this.lines.addLayer(L.polygon(outlines, { ...style, color: asked, weight: 2, dashArray: "6 4" }));
  }

  /** Paint the chosen step of the chosen level. */
  private show(): void {
    const { level } = this;
    this.legend.hidden = !level;
    if (!level) {
      this.raster?.remove();
      this.raster = null;
      this.marks.clearLayers();
      return;
    }
    const { choice, step } = this.controls;
    this.raster ??= new Raster(this.frame, "zd-traffic").addTo(this.map);
    this.raster.setOpacity(choice.opacity);
    const size = level.rows * level.cols;
    const { codes } = feed(level.feed)!;
    const table = colours(feed(level.feed)!, this.data.palette, choice.look, this.dark);
    this.raster.show(codes.subarray(step * size, (step + 1) * size), level.rows, level.cols, table);
    const painted = [choice.level, choice.look, this.dark, level.feed, JSON.stringify(this.places)].join();
    if (painted !== this.legend.dataset.of) {
      this.legend.dataset.of = painted;
      this.paintLegend(level);
      this.paintMarks(level);
    }
    this.legend.style.setProperty("--zd-opacity", String(choice.opacity));
    this.root.dataset.step = String(step);
    this.root.dataset.level = String(choice.level);
  }

  private paintLegend(level: LevelData): void {
    const labels = ticks(feed(level.feed)!.top, this.controls.choice.look).map(([at, volume]) => {
      const sign = at === 1 ? "≥ " : at === 0 && volume > 0 ? "≤ " : "";
      const css = at === 0 ? "left:0" : at === 1 ? "right:0" : `left:${at * 100}%;transform:translateX(-50%)`;
      return element("span", { style: css }, sign + bytes(volume));
    });
    const bar = element("div", { class: "zd-colours" });
    bar.style.backgroundImage = gradient(this.data.palette, this.dark);
    fill(
      this.legend,
      element("div", {}, `Traffic per ${level.cell} and ${level.span}`),
      bar,
      element("div", { class: "zd-ticks" }, ...labels),
    );
  }

  /** Frames around the clicked cells, legible on light and dark, in the colours of their curves. */
  private paintMarks(level: LevelData): void {
    this.marks.clearLayers();
    const style = { interactive: false, pmIgnore: true, fill: false, renderer: this.renderer } as L.PolylineOptions;
    const busiest = this.data.busiest[this.controls.choice.level];
    const places = this.places.length || !busiest ? this.places : [busiest];
    distinct(places, level).forEach((cell, i, { length }) => {
      const ring = this.frame.ring(cell, level.rows, level.cols);
      this.marks.addLayer(L.polygon(ring, { ...style, color: "#fff", weight: 6 }));
      this.marks.addLayer(L.polygon(ring, { ...style, color: MARKS[i % MARKS.length], weight: 3 }));
      if (length < 2) return;
      const number = element("span", { style: `background:${MARKS[i % MARKS.length]}` }, String(i + 1)); // as in the chart
      const icon = L.divIcon({ html: number, className: "zd-number", iconSize: [18, 18], iconAnchor: [9, 20] });
      this.marks.addLayer(L.marker(ring[0], { icon, interactive: false, keyboard: false, pmIgnore: true }));
    });
  }

  /** The cell of the level at a place, if it belongs to the region. */
  private cellAt(at: L.LatLng, level: LevelData): Cell | null {
    const cell = this.frame.cellAt(at, level.rows, level.cols);
    const perBlock = level.rows / this.data.blocks.length;
    const row = this.data.blocks[Math.floor(cell[0] / perBlock)];
    return row?.[Math.floor(cell[1] / perBlock)] === "1" ? cell : null;
  }

  private clicked(event: L.LeafletMouseEvent): void {
    const { level } = this;
    if (!level || this.draw.busy || this.data.quiet) return;
    const cell = this.cellAt(event.latlng, level);
    if (!cell) return;
    const place = middle(cell, level);
    const { shiftKey, ctrlKey, metaKey } = event.originalEvent;
    if (shiftKey || ctrlKey || metaKey) {
      const others = this.places.filter((one) => String(cellOf(one, level)) !== String(cell));
      this.places = others.length < this.places.length ? others : [...this.places, place];
    } else {
      this.places = [place];
    }
    this.show();
    this.report();
  }

  private hover(event: L.LeafletMouseEvent): void {
    const { level } = this;
    const cell = level && !this.draw.busy ? this.cellAt(event.latlng, level) : null;
    if (!cell || !level) return void this.tip.remove();
    this.tip.setLatLng(event.latlng).setContent(this.tipContent(cell, level)).openOn(this.map);
  }

  private tipContent([row, col]: Cell, level: LevelData): HTMLElement {
    const { step } = this.controls;
    const { codes, most } = feed(level.feed)!;
    const code = codes[(step * level.rows + row) * level.cols + col];
    const traffic = code ? `≈ ${bytes(volumeOf(code, most), 2)}` : "no traffic";
    const content = element("div", {}, element("b", {}, traffic), ` per ${level.cell}`);
    content.append(element("div", {}, timeLabel(step * level.hours, level.hours)));
    const people = this.people([row, col], level);
    if (people !== null) content.append(element("div", {}, `about ${Math.round(people).toLocaleString("en")} people present`));
    const use = this.use([row, col], level);
    if (use) content.append(element("div", {}, `ground: ${use}`));
    return content;
  }

  /** People in a cell, the mean of the step's hours. */
  private people(cell: Cell, level: LevelData): number | null {
    const people = feed(this.data.people);
    if (!people) return null;
    const { codes, most } = people;
    const size = codes.length / 168;
    let sum = 0;
    for (const index of finestOf(cell, level)) {
      for (let h = 0; h < level.hours; h++) {
        sum += volumeOf(codes[(this.controls.step * level.hours + h) * size + index], most);
      }
    }
    return sum / level.hours;
  }

  /** The commonest use of the ground in a cell. */
  private use(cell: Cell, level: LevelData): string | null {
    const codes = feed(this.data.use?.feed)?.codes;
    if (!codes) return null;
    const counts = new Map<number, number>();
    for (const index of finestOf(cell, level)) counts.set(codes[index], (counts.get(codes[index]) ?? 0) + 1);
    const [code] = [...counts].sort((a, b) => b[1] - a[1])[0];
    return this.data.use!.words[code];
  }

  private report(): void {
    if (this.data.quiet) return;
    const { level, hour, look } = this.controls.choice;
    this.send("view", { level, hour, places: this.places, look });
  }

  private homeButton(): L.Control {
    const control = new L.Control({ position: "topleft" });
    control.onAdd = () => {
      const words = "Show the whole region";
      const button = element("a", { href: "#", role: "button", title: words, "aria-label": words }, "⌂");
      button.addEventListener("click", (event) => {
        event.preventDefault();
        this.fit();
      });
      const bar = element("div", { class: "leaflet-bar" }, button);
      L.DomEvent.disableClickPropagation(bar);
      return bar;
    };
    return control;
  }

  /** A switch for OpenStreetMap's online tiles; nothing is asked from the network while it is off. */
  private tileSwitch(): L.Control {
    const control = new L.Control({ position: "topright" });
    control.onAdd = () => {
      const box = element("input", { type: "checkbox", "aria-label": "Online map tiles" });
      const words = element("span", {}, "online map");
      const label = element("label", { class: "zd-switch", title: "Fetch map tiles from OpenStreetMap" }, box, words);
      this.online = (on) => {
        box.checked = on;
        words.textContent = "online map";
        if (on) this.tiles.addTo(this.map);
        else this.tiles.remove();
      };
      box.addEventListener("change", () => this.online(box.checked));
      this.tiles.on("tileerror", () => (words.textContent = "online map: no connection"));
      L.DomEvent.disableClickPropagation(label);
      return label;
    };
    return control;
  }
}

/** The cell of a level that holds a finest cell. */
function cellOf([row, col]: Cell, level: LevelData): Cell {
  return [Math.floor(row / level.factor), Math.floor(col / level.factor)];
}

/** The finest cell in the middle of a cell. */
function middle([row, col]: Cell, { factor }: LevelData): Cell {
  const half = Math.floor(factor / 2);
  return [row * factor + half, col * factor + half];
}

/** The cells of a level that hold the places, each once. */
function distinct(places: Cell[], level: LevelData): Cell[] {
  const cells = new Map(places.map((place) => [String(cellOf(place, level)), cellOf(place, level)]));
  return [...cells.values()];
}

/** Indices of the finest cells in a cell. */
function* finestOf([row, col]: Cell, { factor, cols }: LevelData): Generator<number> {
  for (let r = row * factor; r < (row + 1) * factor; r++) {
    for (let c = col * factor; c < (col + 1) * factor; c++) yield r * cols * factor + c;
  }
}

function isDark(root: HTMLElement): boolean {
  const colour = getComputedStyle(root).color.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0];
  return colour[0] + colour[1] + colour[2] > 384; // light words are on dark ground
}

function escapeHtml(words: string): string {
  return element("span", {}, words).innerHTML;
}
