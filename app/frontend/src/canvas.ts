/** Canvases that cover the map's window and are painted anew when it moves. */

import L from "leaflet";
import type { Frame } from "./frame";

const PIECE = 4000; // metres: within a piece of this size UTM on Mercator is as good as affine
const MOST_PIECES = 64; // along a side: of a country they are larger, and nobody sees a metre there

abstract class WindowCanvas extends L.Layer {
  protected readonly canvas = document.createElement("canvas");
  protected readonly context = this.canvas.getContext("2d", { willReadFrequently: true })!;
  private corner = L.latLng(0, 0);

  constructor(pane: string, css = "") {
    super();
    L.setOptions(this, { pane });
    this.canvas.className = "leaflet-zoom-animated " + css;
    this.canvas.style.pointerEvents = "none";
  }

  onAdd(): this {
    this.getPane()!.append(this.canvas);
    this.moved();
    return this;
  }

  onRemove(): this {
    this.canvas.remove();
    return this;
  }

  getEvents() {
    return { move: this.moved, zoomend: this.moved, resize: this.moved, zoomanim: this.zoomed };
  }

  setOpacity(opacity: number): void {
    this.canvas.style.opacity = String(opacity);
  }

  protected get map(): L.Map | undefined {
    return this._map ?? undefined;
  }

  /** Paint the window; the canvas has its size. */
  protected abstract paint(size: L.Point): void;

  protected moved(): void {
    if (!this.map) return;
    const size = this.map.getSize();
    if (this.canvas.width !== size.x || this.canvas.height !== size.y) {
      [this.canvas.width, this.canvas.height] = [size.x, size.y];
    }
    this.corner = this.map.containerPointToLatLng([0, 0]);
    L.DomUtil.setTransform(this.canvas, this.map.containerPointToLayerPoint([0, 0]), 1);
    if (size.x && size.y) this.paint(size);
  }

  private zoomed(event: L.LeafletEvent): void {
    const { zoom, center } = event as L.ZoomAnimEvent;
    const to = (this._map as any)._latLngToNewLayerPoint(this.corner, zoom, center);
    L.DomUtil.setTransform(this.canvas, to, this._map.getZoomScale(zoom));
  }
}

/** A raster of one byte per cell, each shown in its colour; cells stay sharp. */
export class Raster extends WindowCanvas {
  private cells: Int32Array = new Int32Array(0);
  private picture: ImageData | null = null;
  private rows = 1;
  private cols = 1;
  private codes: Uint8Array = new Uint8Array(0);
  private colours: Uint32Array = new Uint32Array(256);

  constructor(
    private readonly frame: Frame,
    pane: string,
  ) {
    super(pane);
  }

  /** Show codes (rows x cols), colours[code] being RGBA as one little-endian number. */
  show(codes: Uint8Array, rows: number, cols: number, colours: Uint32Array): void {
    const regrid = rows !== this.rows || cols !== this.cols;
    [this.codes, this.rows, this.cols, this.colours] = [codes, rows, cols, colours];
    if (regrid || !this.picture) this.moved();
    else this.fill();
  }

  protected paint(size: L.Point): void {
    this.cells = this.frame.pixelCells(this.map!, size, this.rows, this.cols);
    this.picture = new ImageData(size.x, size.y);
    this.fill();
  }

  private fill(): void {
    const { cells, codes, colours, picture } = this;
    if (!picture) return;
    const pixels = new Uint32Array(picture.data.buffer);
    for (let i = 0; i < pixels.length; i++) {
      const cell = cells[i];
      pixels[i] = cell < 0 ? 0 : colours[codes[cell]];
    }
    this.context.putImageData(picture, 0, 0);
  }
}

/** A picture over a frame. */
export class Picture extends WindowCanvas {
  private readonly image = new Image();

  constructor(
    url: string,
    private readonly frame: Frame,
    private readonly smooth: boolean,
    pane: string,
    css = "",
  ) {
    super(pane, css);
    this.image.onload = () => this.moved();
    this.image.src = url;
  }

  protected paint(size: L.Point): void {
    const { context, image } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, size.x, size.y);
    if (!image.complete || !image.naturalWidth) return;
    context.imageSmoothingEnabled = this.smooth;
    context.imageSmoothingQuality = "high";
    const [west, south, east, north] = this.frame.bounds;
    const pieces = Math.min(Math.ceil(Math.max(east - west, north - south) / PIECE), MOST_PIECES);
    const [wide, high] = [(east - west) / pieces, (north - south) / pieces];
    const [w, h] = [image.naturalWidth / pieces, image.naturalHeight / pieces];
    const at = (x: number, y: number) => this.map!.latLngToContainerPoint(this.frame.latLng(x, y));
    for (let row = 0; row < pieces; row++) {
      for (let col = 0; col < pieces; col++) {
        const [x, y] = [west + col * wide, north - row * high];
        const [corner, right, below] = [at(x, y), at(x + wide, y), at(x, y - high)];
        const overlap = this.smooth ? 1 : 0; // pixels of the picture, against seams
        context.setTransform(
          (right.x - corner.x) / w,
          (right.y - corner.y) / w,
          (below.x - corner.x) / h,
          (below.y - corner.y) / h,
          corner.x,
          corner.y,
        );
        const [sw, sh] = [
          Math.min(w + overlap, image.naturalWidth - col * w),
          Math.min(h + overlap, image.naturalHeight - row * h),
        ];
        context.drawImage(image, col * w, row * h, sw, sh, 0, 0, sw, sh);
      }
    }
  }
}
