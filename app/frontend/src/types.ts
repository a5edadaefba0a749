/** What Python and the component send each other: app/zoommap.py writes and reads the same. */

export type Box = [west: number, south: number, east: number, north: number];
export type LonLat = [lon: number, lat: number];
export type Cell = [row: number, col: number];

/** A rectangle in a frame's metres. */
export interface FrameData {
  epsg: number;
  bounds: Box;
}

/** One zoom level; its codes come as a feed, one byte per (step, row, col). */
export interface LevelData {
  feed: string;
  words: string; // its stop on the zoom slider
  cell: string; // "50 m square"
  span: string; // "1 h"
  hours: number;
  factor: number; // finest cells along the side of one cell
  rows: number;
  cols: number;
}

export interface Overlay {
  url?: string; // a picture over the region's frame
  points?: { p: LonLat; c: number[] }[];
  opacity: number;
}

export interface Drawing {
  of: "region" | "change" | "part"; // a region snaps to blocks; the place of a change, and a part to look at, stay as they are
  polygon: GeoJSON.Polygon | null;
  max_km2: number;
}

export interface View {
  level: number;
  hour: number;
  places: Cell[]; // finest cells
}

export interface MapData {
  id: string; // what is shown: a new one brings its view
  frame: FrameData; // of the region
  fit: Box; // degrees
  blocks: string[]; // a row of base stations each, "1" where one belongs to the region
  wanted: LonLat[][]; // outlines that the region was made from
  basemap: { url: string; frame: FrameData } | null;
  tiles: boolean; // online tiles are on at first
  credit: string;
  overlays: Overlay[];
  levels: LevelData[];
  people: string | null; // feed (168, rows, cols) of the finest level
  use: { feed: string; words: string[] } | null; // (rows, cols) of the finest level
  busiest: Cell[]; // per level a finest cell in its busiest cell
  palette: number[]; // 256 x RGBA
  drawing: Drawing | null;
  view: View;
  quiet: boolean; // while the model runs nothing is reported
}
