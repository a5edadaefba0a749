/** The bar below the map: zoom and time sliders, the player, colours and opacity. */

import type { Look } from "./colour";
import type { LevelData } from "./types";
import { element, timeLabel } from "./words";

const STEPS_PER_SECOND = 2; // at speed 1
const SPEEDS = [1, 2, 4, 8, 16];
const WEEK = 168; // hours
const SETTLED = 200; // ms without a move before it is reported to Python

export interface Choice {
  level: number;
  hour: number;
  look: Look;
  opacity: number;
}

export class Controls {
  readonly bar = element("div", { class: "zd-bar" });
  readonly choice: Choice = { level: 0, hour: 0, look: "linear", opacity: 0.85 };
  private levels: LevelData[] = [];
  private ready = 0; // levels that have come
  private readonly zoom = slider("Zoom level", "0", "3", "1");
  private readonly zoomWords = element("div", { class: "zd-stops zd-ends", "aria-hidden": "true" });
  private readonly zoomNow = element("output", { class: "zd-now" });
  private readonly time = slider("Time", "0", "167", "1");
  private readonly timeNow = element("output", { class: "zd-now" });
  private readonly play = element("button", { type: "button", class: "zd-play", "aria-label": "Play" }, "▶");
  private readonly speed = select("Speed", SPEEDS.map((speed) => [String(speed), `${speed}×`]));
  private readonly look = select("Colours", [["linear", "linear"], ["logarithmic", "logarithmic"]]);
  private readonly opacity = slider("Opacity", "0.1", "1", "0.05");
  private playing = false;
  private timer = 0;

  /** `shown` is called at once with every change, `settled` when nothing has moved for a moment. */
  constructor(
    private readonly shown: () => void,
    private readonly settled: () => void,
  ) {
    const days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].map((day) => element("span", {}, day));
    this.bar.append(
      field("zd-zoom", ["Zoom", this.zoomNow], this.zoom, this.zoomWords),
      element("div", { class: "zd-player" }, this.play, labelled("Speed", this.speed)),
      field("zd-time", ["Time", this.timeNow], this.time, element("div", { class: "zd-stops", "aria-hidden": "true" }, ...days)),
      element("div", { class: "zd-look" }, labelled("Colours", this.look), labelled("Opacity", this.opacity)),
    );
    this.opacity.value = String(this.choice.opacity);
    this.zoom.addEventListener("input", () => this.setLevel(Number(this.zoom.value)));
    this.time.addEventListener("input", () => this.setHour(Number(this.time.value) * this.hours));
    this.look.addEventListener("input", () => this.changed(() => (this.choice.look = this.look.value as Look)));
    this.opacity.addEventListener("input", () => this.changed(() => (this.choice.opacity = Number(this.opacity.value))));
    this.play.addEventListener("click", () => (this.playing ? this.pause() : this.start()));
    this.look.addEventListener("change", () => this.settle());
    this.zoom.addEventListener("change", () => this.settle());
    this.time.addEventListener("change", () => this.settle());
  }

  get hours(): number {
    return this.levels[this.choice.level]?.hours ?? 1;
  }

  /** The step of the level that is shown. */
  get step(): number {
    return Math.floor(this.choice.hour / this.hours);
  }

  /** Offer levels, of which the first `ready` have come. */
  update(levels: LevelData[], ready: number): void {
    this.bar.hidden = levels.length === 0;
    if (!levels.length) this.pause(false);
    if (levels !== this.levels) {
      this.zoomWords.replaceChildren(...levels.map((level) => element("span", {}, level.words)));
    }
    [this.levels, this.ready] = [levels, ready];
    this.zoom.max = String(Math.max(levels.length - 1, 0));
    this.say();
  }

  /** Go to a level and an hour without a report to Python. */
  go(level: number, hour: number): void {
    this.choice.level = Math.min(level, Math.max(this.ready - 1, 0));
    this.choice.hour = hour;
    this.say();
  }

  pause(report = true): void {
    if (!this.playing) return;
    this.playing = false;
    this.say();
    if (report) this.settle();
  }

  private setLevel(level: number): void {
    this.changed(() => (this.choice.level = Math.min(level, Math.max(this.ready - 1, 0))));
  }

  private setHour(hour: number): void {
    this.changed(() => (this.choice.hour = Math.min(Math.max(hour, 0), WEEK - 1)));
  }

  private changed(set: () => void): void {
    set();
    this.say();
    this.shown();
  }

  private settle(): void {
    window.clearTimeout(this.timer);
    if (!this.playing) this.timer = window.setTimeout(this.settled, SETTLED);
  }

  private start(): void {
    this.playing = true;
    this.say();
    const began = performance.now();
    const first = this.step;
    let speed = this.speed.value;
    let [from, since] = [first, began];
    const frame = (now: number) => {
      if (!this.playing) return;
      if (!this.bar.isConnected) return this.pause(false);
      if (speed !== this.speed.value) [speed, from, since] = [this.speed.value, this.step, now];
      const steps = WEEK / this.hours;
      const passed = ((now - since) / 1000) * STEPS_PER_SECOND * Number(speed);
      const step = (((from + Math.floor(Math.max(passed, 0))) % steps) + steps) % steps;
      if (step !== this.step) this.setHour(step * this.hours);
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  /** Write what is chosen into the controls. */
  private say(): void {
    const level = this.levels[this.choice.level];
    if (!level) return;
    this.zoom.value = String(this.choice.level);
    this.zoom.setAttribute("aria-valuetext", level.words);
    this.zoomNow.value = `one value per ${level.cell} and ${level.span}`;
    this.time.max = String(WEEK / this.hours - 1);
    this.time.value = String(this.step);
    const when = timeLabel(this.step * this.hours, this.hours);
    this.time.setAttribute("aria-valuetext", when);
    this.timeNow.value = when;
    this.play.textContent = this.playing ? "❚❚" : "▶";
    this.play.setAttribute("aria-label", this.playing ? "Pause" : "Play");
    this.play.title = this.playing ? "Pause" : "Play the week";
    [...this.zoomWords.children].forEach((word, k) => {
      word.classList.toggle("zd-on", k === this.choice.level);
      word.classList.toggle("zd-off", k >= this.ready);
    });
  }
}

function slider(label: string, min: string, max: string, step: string): HTMLInputElement {
  return element("input", { type: "range", "aria-label": label, min, max, step });
}

function select(label: string, options: [string, string][]): HTMLSelectElement {
  const items = options.map(([value, words]) => element("option", { value }, words));
  return element("select", { "aria-label": label }, ...items);
}

function labelled(words: string, control: HTMLElement): HTMLElement {
  return element("label", {}, element("span", {}, words), control);
}

function field(css: string, words: (Node | string)[], ...parts: HTMLElement[]): HTMLElement {
  return element("div", { class: css }, element("div", { class: "zd-label" }, ...words), ...parts);
}
