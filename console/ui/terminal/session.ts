import { FitAddon } from "@xterm/addon-fit";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal } from "@xterm/xterm";
import type { CloudSocket, SocketOptions } from "../../../client/socket.ts";
import { errorText } from "../../api/errors.ts";
import { translate } from "../../i18n/i18n.ts";
import { palettes } from "./palette.ts";

/** Where a session leads, and what it is called. */
export interface SessionGiven {
  /** Sessions of one kind are numbered. */
  kind: string;
  /** There is at most one of this kind: another one asked for is the first. */
  single?: boolean;
  label: (number: number) => string;
  /** Of the thing it is in, for screen readers. */
  name: string;
  /** Absent: what is shown in it connects by itself. */
  connect?: (size: { columns: number; rows: number }, options: SocketOptions) => Promise<CloudSocket>;
  /** An exit code other than 0 is no failure: there is no shell whose it could be. */
  anyExitIsGood?: boolean;
}

export interface SessionState {
  phase: "connecting" | "open" | "ended";
  /** Why it has ended, in words; how well, in `good`. */
  reason?: string;
  good?: boolean;
}

const stored = { size: "khmara.terminal.size", reader: "khmara.terminal.reader" };
const sizes = { least: 9, most: 28, usual: 14 };
const encoder = new TextEncoder();
const fontFamily = 'ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, "Liberation Mono", monospace';

/** What the keys of the phone's bar send (xterm's ctlseqs); those with a letter change with the application's cursor mode. */
const sequences = {
  escape: "\u001b",
  tab: "\t",
  up: "A",
  down: "B",
  right: "C",
  left: "D",
  home: "H",
  end: "F",
  pageUp: "\u001b[5~",
  pageDown: "\u001b[6~",
} as const;
export type BarKey = keyof typeof sequences;

/**
 * A terminal with its connection. It lives outside of the page, so that a look at another tab does not end a shell;
 * the page only shows it.
 */
export class TerminalSession {
  readonly id: string = crypto.randomUUID();
  readonly kind: string;
  readonly label: string;
  /** Where xterm.js draws; it is moved from page to page. */
  readonly element: HTMLDivElement = document.createElement("div");
  state: SessionState = { phase: "connecting" };
  /** For the next key only: what has been pressed on the bar of a phone. */
  held: { control: boolean; alt: boolean } = { control: false, alt: false };
  readonly number: number;
  private readonly given: SessionGiven;
  private readonly terminal: Terminal;
  private readonly fitting = new FitAddon();
  private readonly changed: () => void;
  private socket: CloudSocket | undefined;
  private leaving = new AbortController();
  private used = false;

  constructor(given: SessionGiven, number: number, changed: () => void) {
    this.given = given;
    this.kind = given.kind;
    this.number = number;
    this.label = given.label(number);
    this.changed = changed;
    this.element.style.height = "100%";
    this.terminal = new Terminal({
      fontFamily,
      fontSize: Number(localStorage.getItem(stored.size)) || sizes.usual,
      lineHeight: 1.2,
      scrollback: 10_000,
      cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      // WCAG 2, 1.4.3: whatever colours a program picks.
      minimumContrastRatio: 4.5,
      macOptionIsMeta: true,
      screenReaderMode: readerMode(),
    });
    this.terminal.loadAddon(this.fitting);
    this.terminal.loadAddon(new WebLinksAddon());
    this.terminal.onData((data) => this.typed(data));
    this.terminal.onBinary((data) => void this.socket?.send(Uint8Array.from(data, (letter) => letter.charCodeAt(0))));
    this.terminal.onResize(({ cols, rows }) => this.socket?.control({ resize: { columns: cols, rows } }));
    this.terminal.attachCustomKeyEventHandler((event) => this.isOurs(event));
  }

  get connectsItself(): boolean {
    return this.given.connect === undefined;
  }

  /** Shows it; the first time it connects too, as only now its size is known. */
  mount(parent: HTMLElement): void {
    parent.append(this.element);
    if (this.connectsItself) return;
    if (!this.terminal.element) {
      this.terminal.open(this.element);
      this.terminal.textarea?.setAttribute("aria-label", translate("terminal.input", { name: this.given.name }));
      this.fit();
      void this.connect();
    } else this.fit();
  }

  fit(): void {
    if (this.element.clientWidth > 0 && this.element.clientHeight > 0 && this.terminal.element) this.fitting.fit();
  }

  focus(): void {
    this.terminal.focus();
  }

  paint(scheme: "light" | "dark"): void {
    this.terminal.options.theme = palettes[scheme];
  }

  async connect(): Promise<void> {
    this.become({ phase: "connecting" });
    this.leaving = new AbortController();
    let exit: number | undefined;
    const { cols: columns, rows } = this.terminal;
    const options = {
      // What has been drawn counts as taken: a flood of output does not fill the memory of the page.
      onBytes: (bytes: Uint8Array) => new Promise<void>((drawn) => this.terminal.write(bytes, drawn)),
      onControl: (message: Record<string, unknown>) => {
        const { code } = (message["exit"] ?? {}) as { code?: unknown };
        if (typeof code === "number") exit = code;
      },
      signal: this.leaving.signal,
    };
    const { connect, anyExitIsGood } = this.given;
    if (connect === undefined) return;
    try {
      const socket = await connect({ columns, rows }, options);
      this.socket = socket;
      this.become({ phase: "open" });
      // It may have become another size meanwhile.
      if (this.terminal.cols !== columns || this.terminal.rows !== rows)
        socket.control({ resize: { columns: this.terminal.cols, rows: this.terminal.rows } });
      const { error } = await socket.closed;
      if (exit !== undefined) {
        const good = exit === 0 || anyExitIsGood === true;
        const reason =
          anyExitIsGood === true
            ? translate("terminal.closed")
            : exit === 0
              ? translate("terminal.ended")
              : translate("terminal.endedWith", { code: exit });
        this.become({ phase: "ended", good, reason });
      } else this.become({ phase: "ended", good: false, reason: error ? errorText(error) : translate("terminal.closed") });
    } catch (error) {
      if (!this.leaving.signal.aborted) this.become({ phase: "ended", good: false, reason: errorText(error) });
    } finally {
      this.socket = undefined;
    }
  }

  /** Once more, below what was there: out of full-screen programs, with colours and modes as at first. */
  reconnect(): void {
    if (this.state.phase !== "ended") return;
    this.terminal.write("\u001b[?1049l\u001b[!p\r\n");
    void this.connect();
  }

  /** Whether closing the page would end something that somebody works in. */
  get isBusy(): boolean {
    return this.state.phase === "open" && this.used;
  }

  get hasSelection(): boolean {
    return this.terminal.hasSelection();
  }

  async copy(): Promise<void> {
    if (!this.terminal.hasSelection()) return;
    await navigator.clipboard.writeText(this.terminal.getSelection());
    this.terminal.clearSelection();
  }

  /** Rejects where the browser does not let pages read the clipboard. */
  async paste(): Promise<void> {
    this.terminal.paste(await navigator.clipboard.readText());
  }

  clear(): void {
    this.terminal.clear();
  }

  resizeLetters(by: number): void {
    const size = Math.min(sizes.most, Math.max(sizes.least, (this.terminal.options.fontSize ?? sizes.usual) + by));
    localStorage.setItem(stored.size, String(size));
    this.terminal.options.fontSize = size;
    this.fit();
  }

  setReaderMode(on: boolean): void {
    localStorage.setItem(stored.reader, on ? "1" : "0");
    this.terminal.options.screenReaderMode = on;
    this.changed();
  }

  /** A key of the phone's bar. */
  press(key: BarKey): void {
    const sequence = sequences[key];
    const cursor = this.terminal.modes.applicationCursorKeysMode ? "\u001bO" : "\u001b[";
    this.typed(sequence.length === 1 && sequence >= "A" && sequence <= "H" ? cursor + sequence : sequence);
    this.focus();
  }

  hold(key: "control" | "alt"): void {
    this.held = { ...this.held, [key]: !this.held[key] };
    this.changed();
    this.focus();
  }

  dispose(): void {
    this.leaving.abort();
    this.socket?.close();
    this.terminal.dispose();
    this.element.remove();
  }

  private typed(data: string): void {
    if (this.state.phase === "ended" && data === "\r") {
      this.reconnect();
      return;
    }
    let sent = data;
    if (this.held.control || this.held.alt) {
      // Ctrl takes the lowest five bits of a letter, Alt sends Escape before it.
      if (this.held.control && /^[a-z@[\\\]^_?]$/i.test(sent)) {
        sent = sent === "?" ? "\u007f" : String.fromCharCode(sent.toUpperCase().charCodeAt(0) & 31);
      }
      if (this.held.alt) sent = `\u001b${sent}`;
      this.held = { control: false, alt: false };
      this.changed();
    }
    this.used = true;
    void this.socket?.send(encoder.encode(sent));
  }

  /** False for keys that are the page's, not the guest's. */
  private isOurs(event: KeyboardEvent): boolean {
    if (event.type !== "keydown") return true;
    if (event.ctrlKey && event.shiftKey && event.code === "KeyC") {
      // Otherwise the browser would open its developer tools.
      event.preventDefault();
      void this.copy();
      return false;
    }
    // The browser pastes by itself.
    if (event.ctrlKey && event.shiftKey && event.code === "KeyV") return false;
    if (event.shiftKey && event.key === "Escape") {
      this.terminal.blur();
      this.element.closest("section")?.querySelector<HTMLElement>("[role=tab][aria-selected=true]")?.focus();
      return false;
    }
    return true;
  }

  /** For the screen, whose connections are not ours. */
  report(state: SessionState): void {
    this.become(state);
  }

  private become(state: SessionState): void {
    this.state = state;
    this.changed();
  }
}

export const readerMode = (): boolean => localStorage.getItem(stored.reader) === "1";
