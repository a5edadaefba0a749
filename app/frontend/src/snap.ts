/** Which blocks of 400 m a polygon becomes: the rule of zoomdiff/region.py, `Region.from_polygon`. */

import { utm } from "./frame";
import type { Cell, LonLat } from "./types";

const SIDE = 400; // metres
const TOP = 10_000_000; // metres; rows count southward from here
const SLIVER_M2 = 1; // a block touched by less is rounding, not the user's wish

export interface Snapped {
  epsg: number;
  blocks: Cell[]; // in the zone's raster
  km2: number; // of the blocks; where there are too many to count, of the polygon
  tooLarge: boolean;
}

/** The blocks that the polygon (one ring, open or closed) touches; none listed where it is larger than `maxKm2`. */
export function snap(ring: LonLat[], maxKm2: number): Snapped {
  const [lon, lat] = centroid(ring);
  const epsg = (lat >= 0 ? 32600 : 32700) + Math.min(Math.floor((lon + 180) / 6) + 1, 60);
  const zone = utm(epsg);
  const points = ring.map((point) => zone.forward(point) as [number, number]);
  const km2 = Math.abs(area(points)) / 1e6;
  if (km2 > maxKm2) return { epsg, blocks: [], km2, tooLarge: true };
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [west, east, south, north] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const blocks: Cell[] = [];
  for (let row = Math.floor((TOP - north) / SIDE); row < Math.ceil((TOP - south) / SIDE); row++) {
    const high = TOP - row * SIDE;
    const strip = clip(clip(points, 1, high, -1), 1, high - SIDE, 1);
    for (let col = Math.floor(west / SIDE); strip.length && col < Math.ceil(east / SIDE); col++) {
      const inside = clip(clip(strip, 0, col * SIDE, 1), 0, (col + 1) * SIDE, -1);
      if (Math.abs(area(inside)) > SLIVER_M2) blocks.push([row, col]);
    }
  }
  const whole = (blocks.length * SIDE ** 2) / 1e6;
  return { epsg, blocks, km2: whole, tooLarge: whole > maxKm2 };
}

/** The outlines of blocks, lon/lat. */
export function outlines({ epsg, blocks }: Snapped): LonLat[][] {
  const zone = utm(epsg);
  return blocks.map(([row, col]) => {
    const [x, y] = [col * SIDE, TOP - row * SIDE];
    const corners: LonLat[] = [[x, y], [x + SIDE, y], [x + SIDE, y - SIDE], [x, y - SIDE]];
    return corners.map((corner) => zone.inverse(corner) as LonLat);
  });
}

/** Twice-signed halves: the area of a polygon, positive anticlockwise. */
function area(points: LonLat[]): number {
  if (!points.length) return 0;
  const [x0, y0] = points[0]; // coordinates of millions of metres would eat the digits
  let twice = 0;
  points.forEach(([x, y], i) => {
    const [nextX, nextY] = points[(i + 1) % points.length];
    twice += (x - x0) * (nextY - y0) - (nextX - x0) * (y - y0);
  });
  return twice / 2;
}

function centroid(points: LonLat[]): LonLat {
  const [x0, y0] = points[0];
  const whole = area(points);
  if (whole === 0) return points[0];
  let [x, y] = [0, 0];
  points.forEach(([px, py], i) => {
    const [nx, ny] = points[(i + 1) % points.length];
    const cross = (px - x0) * (ny - y0) - (nx - x0) * (py - y0);
    x += (px + nx - 2 * x0) * cross;
    y += (py + ny - 2 * y0) * cross;
  });
  return [x0 + x / (6 * whole), y0 + y / (6 * whole)];
}

/** What of a polygon lies on one side of a line: coordinate `axis` at least (`sign` 1) or at most (-1) `limit`. */
function clip(points: [number, number][], axis: 0 | 1, limit: number, sign: 1 | -1): [number, number][] {
  const kept: [number, number][] = [];
  points.forEach((point, i) => {
    const next = points[(i + 1) % points.length];
    const here = sign * (point[axis] - limit);
    const there = sign * (next[axis] - limit);
    if (here >= 0) kept.push(point);
    if (here >= 0 !== there >= 0) {
      const share = here / (here - there);
      kept.push([point[0] + share * (next[0] - point[0]), point[1] + share * (next[1] - point[1])]);
    }
  });
  return kept;
}
