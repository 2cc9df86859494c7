import { plain, width } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { formatSeconds, formatSize } from "./units.ts";

const barColumns = 24;
const redrawMs = 100;

/** One line on the terminal that is drawn over again and again. */
export class StatusLine {
  private readonly terminal: Terminal;
  private drawn = false;
  private lastMs = 0;

  constructor(terminal: Terminal) {
    this.terminal = terminal;
  }

  show(text: string, now = false): void {
    if (!this.terminal.interactive) return;
    if (!now && Date.now() - this.lastMs < redrawMs) return;
    this.lastMs = Date.now();
    let line = plain(text);
    while (line !== "" && width(line) >= this.terminal.columns) line = [...line].slice(0, -1).join("");
    this.terminal.note(`\r\u001b[2K${line}`);
    this.drawn = true;
  }

  /** Takes the line away, so that what is printed next stands alone. */
  clear(): void {
    if (this.drawn) this.terminal.note("\r\u001b[2K");
    this.drawn = false;
  }
}

export function bar(fraction: number): string {
  const full = Math.round(Math.min(1, Math.max(0, fraction)) * barColumns);
  return `${"█".repeat(full)}${"░".repeat(barColumns - full)} ${String(Math.floor(Math.min(1, fraction) * 100)).padStart(3)} %`;
}

/** Bytes on their way: bar, amount, speed, and the time that is left. */
export class TransferProgress {
  doneBytes = 0;
  totalBytes: number | undefined;
  label = "";
  private readonly line: StatusLine;
  private readonly startedMs = Date.now();
  /** Bytes that were already there: they would flatter the speed. */
  private skippedBytes = 0;

  constructor(terminal: Terminal, totalBytes?: number) {
    this.line = new StatusLine(terminal);
    this.totalBytes = totalBytes;
  }

  add(bytes: number): void {
    this.doneBytes += bytes;
    this.draw();
  }

  skip(bytes: number): void {
    this.skippedBytes += bytes;
    this.add(bytes);
  }

  draw(): void {
    const seconds = (Date.now() - this.startedMs) / 1000;
    const speed = seconds > 0.5 ? (this.doneBytes - this.skippedBytes) / seconds : 0;
    const rate = speed > 0 ? `  ${formatSize(speed)}/s` : "";
    if (this.totalBytes === undefined) {
      this.line.show(`${formatSize(this.doneBytes)}${rate}  ${this.label}`);
      return;
    }
    const left = speed > 0 ? `  ${formatSeconds((this.totalBytes - this.doneBytes) / speed)} left` : "";
    const amount = `${formatSize(this.doneBytes)} of ${formatSize(this.totalBytes)}`;
    this.line.show(
      `${bar(this.totalBytes === 0 ? 1 : this.doneBytes / this.totalBytes)}  ${amount}${rate}${left}  ${this.label}`,
    );
  }

  end(): void {
    this.line.clear();
  }
}
