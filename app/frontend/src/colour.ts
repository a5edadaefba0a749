/** From codes of traffic to colours. A code means a volume: most * (code / 255) ** EXPONENT; 0 is nothing. */

import type { Feed } from "./feeds";

const EXPONENT = 3; // as in app/zoommap.py: small volumes keep their digits
const DECADES = 3; // a logarithmic scale reaches from its top down to a thousandth of it, as in app/colours.py

export type Look = "linear" | "logarithmic";

export function volumeOf(code: number, most: number): number {
  return most * (code / 255) ** EXPONENT;
}

/** Place of a volume along the scale, 0..1. */
function share(volume: number, top: number, look: Look): number {
  const place = look === "linear" ? volume / top : 1 + Math.log10(Math.max(volume, 1e-300) / top) / DECADES;
  return Math.min(Math.max(place, 0), 1);
}

/** RGBA of palette entry 0..255; on dark ground the palette runs the other way, so that more is always brighter. */
function entryColour(palette: number[], entry: number, dark: boolean): number[] {
  const from = dark && entry > 0 ? 256 - entry : entry;
  const [r, g, b] = palette.slice(from * 4, from * 4 + 3);
  return [r, g, b, palette[entry * 4 + 3]];
}

/** The colour of every code, as one little-endian number each. */
export function colours({ most, top }: Feed, palette: number[], look: Look, dark: boolean): Uint32Array {
  const table = new Uint8Array(1024);
  for (let code = 1; code < 256; code++) {
    const entry = 1 + Math.round(share(volumeOf(code, most), top, look) * 254);
    table.set(entryColour(palette, entry, dark), code * 4);
  }
  return new Uint32Array(table.buffer);
}

/** (place 0..1, volume) of the legend's labels. */
export function ticks(top: number, look: Look): [number, number][] {
  if (look === "linear") return [0, 0.5, 1].map((at) => [at, at * top]);
  return Array.from({ length: DECADES + 1 }, (_, n) => [n / DECADES, top * 10 ** (n - DECADES)]);
}

export function gradient(palette: number[], dark: boolean): string {
  const stops = Array.from({ length: 18 }, (_, i) => {
    const [r, g, b, a] = entryColour(palette, 1 + Math.round((i * 254) / 17), dark);
    return `rgb(${r} ${g} ${b} / ${(a / 255).toFixed(2)})`;
  });
  return `linear-gradient(to right, ${stops.join(", ")})`;
}
