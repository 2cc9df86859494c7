/**
 * What may lie in a source tree, whichever archive it came in: plain files, folders, and links that stay inside. Names are checked as
 * text and links against the whole tree, before anything is written that a later entry could be led through.
 */
import { refused, type SourceLimits, shown, tooLarge } from "./limits.ts";

export type EntryKind = "file" | "directory" | "link";

const maximumPathBytes = 1024;
const maximumNameBytes = 255;
/** As many as Linux follows (path_resolution(7)). */
const maximumLinks = 40;

/**
 * The relative path in its plain form (`a/b`), or "" for the root itself. Throws invalid_argument for what is absolute, leads out, or cannot
 * be a name.
 */
export function plainPath(name: string): string {
  if (name.includes("�"))
    throw refused(
      "name_not_utf8",
      `The archive has a name that is not UTF-8 (${shown(name)}). Rename that file, then pack again.`,
    );
  if (/[\p{Cc}]/u.test(name))
    throw refused("name_not_allowed", `The archive has a name with control characters (${shown(name)}). Rename that file.`);
  if (name.startsWith("/") || /^[A-Za-z]:[\\/]/.test(name))
    throw refused(
      "path_absolute",
      `The archive has an absolute path (${shown(name)}). Pack the folder itself: tar -czf app.tar.gz -C FOLDER .`,
    );
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes(".."))
    throw refused(
      "path_outside",
      `The archive has a path that leads out of it (${shown(name)}). Pack the folder again without it.`,
    );
  if (parts.some((part) => Buffer.byteLength(part) > maximumNameBytes))
    throw refused(
      "name_too_long",
      `A name in the archive is longer than ${maximumNameBytes} bytes (${shown(name)}). Shorten it.`,
    );
  const path = parts.join("/");
  if (Buffer.byteLength(path) > maximumPathBytes)
    throw refused(
      "name_too_long",
      `A path in the archive is longer than ${maximumPathBytes} bytes (${shown(name)}). Shorten it.`,
    );
  return path;
}

/** Files that systems leave in archives and that nobody means. */
export const isDebris = (path: string): boolean =>
  /^__MACOSX(\/|$)/.test(path) || /(^|\/)(\.DS_Store|\._[^/]*|Thumbs\.db)$/.test(path);

/** All that was met so far, and where links lead. */
export class SourceEntries {
  readonly kinds = new Map<string, EntryKind>();
  readonly links = new Map<string, string>();
  readonly #limits: SourceLimits;

  constructor(limits: SourceLimits) {
    this.#limits = limits;
  }

  /** Folders that lie above it are there from now on. Throws invalid_argument, or payload_too_large for too many. */
  add(path: string, kind: EntryKind): void {
    const parts = path.split("/");
    if (parts.length > this.#limits.depth)
      throw tooLarge(
        "too_deep",
        `Folders in the archive are more than ${this.#limits.depth} deep (${shown(path)}). Make it flatter.`,
      );
    for (let length = 1; length < parts.length; length++) {
      const above = parts.slice(0, length).join("/");
      const known = this.kinds.get(above);
      if (known === "link")
        throw refused(
          "path_through_link",
          `The archive puts ${shown(path)} behind the link ${shown(above)}. Pack the real folder.`,
        );
      if (known === "file")
        throw refused("path_conflict", `${shown(above)} is a file and a folder in the archive. Rename one of them.`);
      if (known === undefined) this.#put(above, "directory");
    }
    const known = this.kinds.get(path);
    if (known === "directory" && kind === "directory") return;
    if (known !== undefined) throw refused("path_conflict", `${shown(path)} is in the archive twice. Pack it again.`);
    this.#put(path, kind);
  }

  addLink(path: string, target: string): void {
    if (target === "" || target.includes("�") || /[\p{Cc}]/u.test(target) || Buffer.byteLength(target) > maximumPathBytes)
      throw refused("link_not_allowed", `The link ${shown(path)} has a target that cannot be a path. Remove the link.`);
    if (target.startsWith("/"))
      throw refused(
        "link_outside",
        `The link ${shown(path)} leads to an absolute path (${shown(target)}). Make it relative, or remove it.`,
      );
    this.add(path, "link");
    this.links.set(path, target);
  }

  #put(path: string, kind: EntryKind): void {
    if (this.kinds.size >= this.#limits.entries)
      throw tooLarge(
        "too_many_files",
        `The archive has more than ${this.#limits.entries} files. Leave out what is installed or built later (node_modules, .venv, target).`,
      );
    this.kinds.set(path, kind);
  }

  /** The one folder that all else lies in, as in GitHub's archives. */
  topFolder(): string | undefined {
    const top = [...this.kinds.keys()].filter((path) => !path.includes("/"));
    return top.length === 1 && this.kinds.get(top[0] as string) === "directory" ? top[0] : undefined;
  }

  /** Throws invalid_argument for a link that leads out of `root` ("" or the top folder), whichever way it takes. */
  checkLinks(root: string): void {
    const prefix = root === "" ? "" : `${root}/`;
    const links = new Map([...this.links].map(([path, target]) => [path.slice(prefix.length), target]));
    for (const path of links.keys()) if (!staysInside(path, links)) throw leadsOut(path, links.get(path) as string);
  }
}

const leadsOut = (path: string, target: string) =>
  refused(
    "link_outside",
    `The link ${shown(path)} leads out of the archive (${shown(target)}). Remove it, or pack what it leads to.`,
  );

/** Follows a link as the kernel would, in the tree as it will be. A link to nothing is harmless; one without end is not. */
function staysInside(path: string, links: ReadonlyMap<string, string>): boolean {
  const left = path.split("/").reverse();
  const at: string[] = [];
  let followed = 0;
  while (left.length > 0) {
    const part = left.pop() as string;
    if (part === "" || part === ".") continue;
    if (part === "..") {
      if (at.pop() === undefined) return false;
      continue;
    }
    at.push(part);
    const target = links.get(at.join("/"));
    if (target === undefined) continue;
    if (++followed > maximumLinks) return false;
    at.pop();
    left.push(...target.split("/").reverse());
  }
  return true;
}
