/** Frames (zoomdiff/frames.py) on the Web Mercator screen. */

import L from "leaflet";
import proj4, { type Converter } from "proj4";
import type { Box, Cell, FrameData, LonLat } from "./types";

const EUROPE = 3035;
const OWN = 10_000_000; // codes of our own frames begin here
const STRIDE = 32; // pixels: between them the projection is as good as linear

/** The projection of a UTM zone, lon/lat to metres and back. */
export function utm(epsg: number): Converter {
  const south = epsg >= 32700 ? " +south" : "";
  return proj4(`+proj=utm +zone=${epsg % 100}${south} +datum=WGS84 +units=m +no_defs`);
}

/** The projection of a frame: a UTM zone, or of very wide regions an equal-area one, as `crs_of` of Python. */
function projection(epsg: number): Converter {
  if (epsg === EUROPE) return proj4("+proj=laea +lat_0=52 +lon_0=10 +x_0=4321000 +y_0=3210000 +ellps=GRS80 +units=m +no_defs");
  if (epsg < OWN) return utm(epsg);
  const [lat, lon] = [Math.floor((epsg - OWN) / 1000) - 90, ((epsg - OWN) % 1000) - 180];
  return proj4(`+proj=laea +lat_0=${lat} +lon_0=${lon} +x_0=5000000 +y_0=5000000 +datum=WGS84 +units=m +no_defs`);
}

export class Frame {
  readonly bounds: Box;
  private readonly projection: Converter;

  constructor(readonly data: FrameData) {
    this.bounds = data.bounds;
    this.projection = projection(data.epsg);
  }

  latLng(x: number, y: number): L.LatLng {
    const [lon, lat] = this.projection.inverse([x, y]);
    return L.latLng(lat, lon);
  }

  metres(at: L.LatLng): [number, number] {
    return this.projection.forward([at.lng, at.lat]) as [number, number];
  }

  /** The cell of a raster over the frame at a place, whether or not the raster holds it. */
  cellAt(at: L.LatLng, rows: number, cols: number): Cell {
    const [west, south, east, north] = this.bounds;
    const [x, y] = this.metres(at);
    return [Math.floor(((north - y) / (north - south)) * rows), Math.floor(((x - west) / (east - west)) * cols)];
  }

  /** The outline of a cell. */
  ring([row, col]: Cell, rows: number, cols: number): L.LatLng[] {
    const [west, south, east, north] = this.bounds;
    const [wide, high] = [(east - west) / cols, (north - south) / rows];
    const [x, y] = [west + col * wide, north - row * high];
    return [
      this.latLng(x, y),
      this.latLng(x + wide, y),
      this.latLng(x + wide, y - high),
      this.latLng(x, y - high),
    ];
  }

  /**
   * For every pixel of the map's window the index row * cols + col of the raster's cell below it, or -1.
   *
   * The projection is computed at nodes STRIDE pixels apart and interpolated between them.
   */
  pixelCells(map: L.Map, size: L.Point, rows: number, cols: number): Int32Array {
    const [west, south, east, north] = this.bounds;
    const across = Math.ceil(size.x / STRIDE) + 1;
    const down = Math.ceil(size.y / STRIDE) + 1;
    const nodes = new Float64Array(across * down * 2);
    for (let j = 0; j < down; j++) {
      for (let i = 0; i < across; i++) {
        const [x, y] = this.metres(map.containerPointToLatLng([i * STRIDE, j * STRIDE]));
        nodes[(j * across + i) * 2] = ((x - west) / (east - west)) * cols;
        nodes[(j * across + i) * 2 + 1] = ((north - y) / (north - south)) * rows;
      }
    }
    const cells = new Int32Array(size.x * size.y).fill(-1);
    for (let y = 0; y < size.y; y++) {
      const j = Math.floor(y / STRIDE);
      const v = y / STRIDE - j + 0.5 / STRIDE;
      for (let i = 0; i + 1 < across; i++) {
        const [a, b] = [(j * across + i) * 2, ((j + 1) * across + i) * 2];
        let col = nodes[a] * (1 - v) + nodes[b] * v;
        let row = nodes[a + 1] * (1 - v) + nodes[b + 1] * v;
        const perCol = (nodes[a + 2] * (1 - v) + nodes[b + 2] * v - col) / STRIDE;
        const perRow = (nodes[a + 3] * (1 - v) + nodes[b + 3] * v - row) / STRIDE;
        const end = Math.min((i + 1) * STRIDE, size.x);
        for (let x = i * STRIDE; x < end; x++) {
          if (col >= 0 && row >= 0 && col < cols && row < rows) {
            cells[y * size.x + x] = Math.floor(row) * cols + Math.floor(col);
          }
          col += perCol;
          row += perRow;
        }
      }
    }
    return cells;
  }
}

export function lonLat(points: L.LatLng[]): LonLat[] {
  return points.map((point) => [point.lng, point.lat]);
}
