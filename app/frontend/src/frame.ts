/** UTM frames on the Web Mercator screen. */

import L from "leaflet";
import proj4, { type Converter } from "proj4";
import type { Box, Cell, FrameData, LonLat } from "./types";

const STRIDE = 32; // pixels: between them the projection is as good as linear

/** The projection of a UTM zone, lon/lat to metres and back. */
export function utm(epsg: number): Converter {
  const south = epsg >= 32700 ? " +south" : "";
  return proj4(`+proj=utm +zone=${epsg % 100}${south} +datum=WGS84 +units=m +no_defs`);
}

export class Frame {
  readonly bounds: Box;
  private readonly zone: Converter;

  constructor(readonly data: FrameData) {
    this.bounds = data.bounds;
    this.zone = utm(data.epsg);
  }

  latLng(x: number, y: number): L.LatLng {
    const [lon, lat] = this.zone.inverse([x, y]);
    return L.latLng(lat, lon);
  }

  metres(at: L.LatLng): [number, number] {
    return this.zone.forward([at.lng, at.lat]) as [number, number];
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
