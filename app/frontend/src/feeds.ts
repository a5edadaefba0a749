/** Bytes that came as separate elements, so that small changes of the map do not send them again. */

const KEPT = 16; // a week has six, and four more while it is made

export interface Feed {
  feed: string; // its name
  most: number; // what code 255 means
  top: number; // where the colours end, in the same unit
  codes: Uint8Array;
}

const feeds = new Map<string, Feed>();
const waiting = new Set<() => void>();

/** Take a feed: uint32 length of the JSON that holds all but the codes, the JSON, the codes. */
export function receive(data: Uint8Array): void {
  const length = new DataView(data.buffer, data.byteOffset).getUint32(0, true);
  const about = JSON.parse(new TextDecoder().decode(data.subarray(4, 4 + length)));
  if (feeds.has(about.feed)) return;
  feeds.set(about.feed, { ...about, codes: data.subarray(4 + length) });
  for (const old of feeds.keys()) {
    if (feeds.size <= KEPT) break;
    feeds.delete(old);
  }
  waiting.forEach((notify) => notify());
}

/** The feed of a name, if it has come; those asked for last are kept. */
export function feed(name: string | null | undefined): Feed | undefined {
  const found = name == null ? undefined : feeds.get(name);
  if (found) {
    feeds.delete(found.feed);
    feeds.set(found.feed, found);
  }
  return found;
}

/** Call `notify` at every new feed, until the returned function is called. */
export function onFeed(notify: () => void): () => void {
  waiting.add(notify);
  return () => waiting.delete(notify);
}
