import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Overlay } from "../../driver.ts";
import type { HostElements } from "./hostRules.ts";

/** A line for `ip -batch` that makes something, and the one that takes it away again. */
export interface Setting {
  make: string;
  undo: string;
}

/** What was done for a router, written down before it is done: whatever happens to us, the next one knows what may be there. */
export interface RouterState {
  id: string;
  /** Its number in the transit range. */
  index: number;
  /** Another one whenever the namespace is made anew: counters begin at zero with it. */
  epoch: string;
  /** Of the namespace's file, and of interfaces on the host by name: they tell a thing from another one of the same name. */
  namespaceInode: number;
  links: Record<string, number>;
  bridges: { bridge: string; peer: string; inner: string }[];
  /** Of networks that are on other members of a cluster too, by bridge. */
  overlays?: Record<string, Overlay> | undefined;
  elements: HostElements;
  /** On the host, and inside the namespace. */
  hostSettings: Setting[];
  innerSettings: Setting[];
  traffic: string[];
  /** Of the rules that are loaded, and handles of their tables. */
  rules: string;
  tables: string;
  /** Of the whole specification. */
  specification: string;
  /** False while it is being changed. */
  clean: boolean;
}

/** Files of one cloud's routers. The folder may be on a file system that a restart of the host empties. */
export class RouterStates {
  readonly directory: string;
  readonly #cache = new Map<string, { stamp: string; state: RouterState }>();

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Of a router's daemons. */
  folder(router: string): string {
    return join(this.directory, "routers", router);
  }

  read(router: string): RouterState | undefined {
    const file = join(this.folder(router), "state.json");
    try {
      const { mtimeNs, size, ino } = statSync(file, { bigint: true });
      const stamp = `${mtimeNs} ${size} ${ino}`;
      const known = this.#cache.get(router);
      if (known?.stamp === stamp) return known.state;
      const state = JSON.parse(readFileSync(file, "utf8")) as RouterState;
      this.#cache.set(router, { stamp, state });
      return state;
    } catch {
      this.#cache.delete(router);
      return undefined;
    }
  }

  write(state: RouterState): void {
    // dnsmasq reads its files as a user of its own.
    mkdirSync(this.folder(state.id), { recursive: true, mode: 0o755 });
    writeReplacing(join(this.folder(state.id), "state.json"), JSON.stringify(state));
  }

  delete(router: string): void {
    this.#cache.delete(router);
    rmSync(this.folder(router), { recursive: true, force: true });
  }

  ids(): string[] {
    try {
      return readdirSync(join(this.directory, "routers")).filter((name) => /^[0-9a-f]{8}$/.test(name));
    } catch {
      // Nothing was made yet, or the folder is on a file system that a restart empties.
      return [];
    }
  }

  all(): RouterState[] {
    return this.ids().flatMap((id) => this.read(id) ?? []);
  }
}

/** Never half a file: killed at any point, there is the old one or the new one. */
export function writeReplacing(file: string, content: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
  writeFileSync(`${file}.new`, content, { mode: 0o644 });
  renameSync(`${file}.new`, file);
}

/** Nothing where there is no such file. */
export function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** The names of those that are not as given. */
export const differing = (directory: string, files: Record<string, string>): string[] =>
  Object.entries(files).flatMap(([name, content]) => {
    try {
      if (readFileSync(join(directory, name), "utf8") === content) return [];
    } catch {}
    return [name];
  });

/** Writes those that differ; answers their names. */
export function writeFiles(directory: string, files: Record<string, string>): string[] {
  const names = differing(directory, files);
  for (const name of names) writeReplacing(join(directory, name), files[name] as string);
  return names;
}

export function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as T;
  } catch {
    return undefined;
  }
}
