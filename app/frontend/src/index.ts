/** The component as Streamlit calls it: `default` for the map, `receiveFeed` for its bytes. */

import geomanCss from "@geoman-io/leaflet-geoman-free/dist/leaflet-geoman.css";
import leafletCss from "leaflet/dist/leaflet.css";
import { receive } from "./feeds";
import { type Send, ZoomMap } from "./map";
import ownCss from "./style.css";
import type { MapData } from "./types";

export { Frame } from "./frame";
export { snap } from "./snap";

interface Arguments<T> {
  data: T;
  key: string;
  parentElement: HTMLElement | ShadowRoot;
  setStateValue: Send;
}

const maps = new WeakMap<Node, ZoomMap>();

export default function ({ data, key, parentElement, setStateValue }: Arguments<MapData>): () => void {
  let map = maps.get(parentElement);
  if (!map) {
    const style = document.createElement("style");
    style.textContent = [leafletCss, geomanCss, ownCss].join("\n");
    const root = document.createElement("div");
    root.className = "zd";
    parentElement.append(style, root);
    map = new ZoomMap(root, key, setStateValue);
    maps.set(parentElement, map);
  }
  map.update(data);
  return () => {
    maps.get(parentElement)?.remove();
    maps.delete(parentElement);
    parentElement.replaceChildren();
  };
}

export function receiveFeed({ data }: Arguments<Uint8Array>): void {
  receive(data);
}
