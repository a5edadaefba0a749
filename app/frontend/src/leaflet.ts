/** Leaflet with Geoman, which adds itself to the global `L`. */

import L from "leaflet";

(globalThis as any).L = L;
export default L;
