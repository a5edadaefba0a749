/** Drawing a region: rectangle or polygon, edit, remove, and what it will become. */

import L from "./leaflet";
import "@geoman-io/leaflet-geoman-free";
import { lonLat } from "./frame";
import { outlines, snap } from "./snap";
import type { Drawing, LonLat } from "./types";
import { count, element, fill } from "./words";

const DEGREES = 1e6; // coordinates are rounded to 0.1 m, so that they read the same in a share link
const TOOLS = { rectangle: "Draw a rectangle", polygon: "Draw a polygon", edit: "Edit the region", delete: "Remove the region" };
const SHAPE = { color: "#8a2a56", weight: 2, fillOpacity: 0.04 };

export class Draw {
  private shape: L.Polygon | null = null;
  private tools = false;
  private taken = false;
  private drawing: Drawing | null = null;
  private readonly blocks: L.Polygon;
  private readonly info = element("div", { class: "zd-info", role: "status", "aria-live": "polite" });

  constructor(
    private readonly map: L.Map,
    private readonly report: (polygon: GeoJSON.Polygon | null) => void,
  ) {
    this.blocks = L.polygon([], {
      color: "#8a2a56", weight: 1, fillOpacity: 0.18, interactive: false, pmIgnore: true, renderer: L.canvas(),
    });
    map.on("pm:drawstart", ({ workingLayer }) => {
      workingLayer.on("pm:change", ({ latlngs }: any) => this.preview(ringOf(latlngs)));
    });
    map.on("pm:drawend", () => {
      this.preview(this.shape ? ringOf(this.shape.getLatLngs()) : []);
      this.hideTaken();
    });
    map.on("pm:globaleditmodetoggled", ({ enabled }: any) => enabled || this.hideTaken());
    map.on("pm:create", ({ layer }) => {
      this.shape?.remove();
      this.adopt(layer as L.Polygon);
      this.send();
    });
    map.on("pm:remove", ({ layer }) => {
      if (layer !== this.shape) return;
      this.shape = null;
      this.send();
    });
  }

  /** Whether a click belongs to the tools. */
  get busy(): boolean {
    const { pm } = this.map;
    return this.tools && (pm.globalDrawModeEnabled() || pm.globalEditModeEnabled() || pm.globalRemovalModeEnabled());
  }

  /**
   * Offer the tools, or (null) take them away. A polygon from Python is taken only while there is none.
   *
   * `taken`: the map shows the drawn region by itself, so that there is nothing to preview.
   */
  update(drawing: Drawing | null, taken: boolean): void {
    if (drawing?.of !== this.drawing?.of) this.close();
    this.drawing = drawing;
    if (!drawing) return this.close();
    this.taken = taken;
    if (!this.tools) this.open();
    if (!this.shape && drawing.polygon) {
      const ring = (drawing.polygon.coordinates[0] as LonLat[]).slice(0, -1);
      this.adopt(L.polygon(ring.map(([lon, lat]) => L.latLng(lat, lon))).addTo(this.map));
      this.preview(ringOf(this.shape!.getLatLngs()));
    }
    if (!this.busy) this.hideTaken();
  }

  private hideTaken(): void {
    if (this.drawing?.of === "change") return;
    this.info.hidden = this.taken;
    if (this.taken) this.blocks.setLatLngs([]);
  }

  private open(): void {
    this.tools = true;
    this.map.pm.setGlobalOptions({
      allowSelfIntersection: false, snappable: false, pathOptions: SHAPE, templineStyle: SHAPE, hintlineStyle: { ...SHAPE, dashArray: "5 5" },
      layerGroup: this.map as any,
    });
    this.map.pm.addControls({
      position: "topleft",
      drawMarker: false, drawCircleMarker: false, drawPolyline: false, drawCircle: false, drawText: false,
      drawPolygon: this.drawing!.of !== "part",
      dragMode: false, cutPolygon: false, rotateMode: false,
    });
    for (const [name, words] of Object.entries(TOOLS)) {
      const button = this.map.getContainer().querySelector(`.leaflet-pm-icon-${name}`)?.closest("a");
      button?.setAttribute("aria-label", words);
    }
    this.blocks.addTo(this.map);
    this.map.getContainer().append(this.info);
    this.preview([]);
  }

  private close(): void {
    if (!this.tools) return;
    this.tools = false;
    this.map.pm.disableDraw();
    this.map.pm.disableGlobalEditMode();
    this.map.pm.disableGlobalRemovalMode();
    this.map.pm.removeControls();
    this.shape?.remove();
    this.shape = null;
    this.blocks.remove();
    this.info.remove();
  }

  private adopt(shape: L.Polygon): void {
    this.shape = shape;
    shape.setStyle(SHAPE);
    shape.on("pm:change", () => this.preview(ringOf(shape.getLatLngs())));
    shape.on("pm:update", () => this.send()); // edited, and the edit mode left
    shape.on("pm:markerdragend pm:vertexremoved", () => this.send());
  }

  private send(): void {
    const ring = this.shape ? ringOf(this.shape.getLatLngs()) : [];
    this.preview(ring);
    if (!this.drawing) return;
    if (this.drawing.of === "region" && ring.length && snap(ring, this.drawing.max_km2).tooLarge) return;
    this.taken = false;
    this.report(ring.length ? { type: "Polygon", coordinates: [[...ring, ring[0]]] } : null);
  }

  /** Show the blocks that a ring becomes, and say how large that is. */
  private preview(ring: LonLat[]): void {
    this.info.hidden = false;
    this.info.classList.remove("zd-wrong");
    if (this.drawing?.of === "part") {
      fill(this.info, ring.length < 3 ? "Draw a rectangle around the part to look at." : "Reading the part …");
      return;
    }
    if (this.drawing?.of === "change") {
      fill(this.info, ring.length < 3 ? "Draw where the change is." : "The change goes here: see What if, below the map.");
      return;
    }
    if (ring.length < 3 || !this.drawing) {
      this.blocks.setLatLngs([]);
      fill(this.info, "Draw a rectangle or a polygon with the tools on the left.");
      return;
    }
    const snapped = snap(ring, this.drawing.max_km2);
    this.blocks.setLatLngs(outlines(snapped).map((block) => [block.map(([lon, lat]) => L.latLng(lat, lon))]));
    const km2 = `${snapped.km2.toFixed(2)} km²`;
    if (snapped.tooLarge) {
      this.info.classList.add("zd-wrong");
      fill(this.info, `Too large: ${km2}, and the limit is ${this.drawing.max_km2} km². Draw a smaller region.`);
      return;
    }
    const n = snapped.blocks.length;
    const counts = [count(n, "base station"), count(4 * n, "cell"), `${count(16 * n, "square")} of 100 m`];
    fill(this.info, element("b", {}, km2), ` · ${counts.join(" · ")} · ${(64 * n).toLocaleString("en")} of 50 m`);
  }
}

/** The outer ring of a polygon's points, in any nesting that Leaflet gives. */
function ringOf(latlngs: any): LonLat[] {
  let ring = latlngs;
  while (Array.isArray(ring[0])) ring = ring[0];
  return lonLat(ring).map(([lon, lat]) => [Math.round(lon * DEGREES) / DEGREES, Math.round(lat * DEGREES) / DEGREES]);
}
