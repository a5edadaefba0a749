/** Numbers for people, as zoomdiff/pyramid.py writes them. */

const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

export function bytes(volume: number, digits = 3): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (volume >= 1000 && unit + 1 < units.length) {
    volume /= 1000;
    unit += 1;
  }
  return `${Number(volume.toPrecision(digits))} ${units[unit]}`;
}

export function timeLabel(hour: number, hours: number): string {
  const day = WEEKDAYS[Math.floor(hour / 24)];
  if (hours === 24) return day;
  const start = hour % 24;
  const two = (n: number) => String(n).padStart(2, "0");
  return `${day} ${two(start)}:00–${two(start + hours)}:00`;
}

export function count(number: number, one: string, many = one + "s"): string {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

/** An element with attributes and children. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Leave only `children` in an element. */
export function fill(parent: HTMLElement, ...children: (Node | string)[]): void {
  parent.replaceChildren(...children);
}
