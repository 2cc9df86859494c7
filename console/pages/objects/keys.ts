/** `a/b/c.txt` → `c.txt`, `a/b/` → `b`. */
export function nameOf(key: string): string {
  const trimmed = key.endsWith("/") ? key.slice(0, -1) : key;
  return trimmed.slice(trimmed.lastIndexOf("/") + 1);
}

/** The folder in which a key lies, with its slash; empty at the top. */
export function parentOf(key: string): string {
  const trimmed = key.endsWith("/") ? key.slice(0, -1) : key;
  return trimmed.slice(0, trimmed.lastIndexOf("/") + 1);
}

/** Each folder on the way to a prefix, outermost first. */
export function foldersOf(prefix: string): { name: string; prefix: string }[] {
  const folders: { name: string; prefix: string }[] = [];
  for (let at = prefix.indexOf("/"); at >= 0; at = prefix.indexOf("/", at + 1)) {
    const upTo = prefix.slice(0, at + 1);
    folders.push({ name: nameOf(upTo), prefix: upTo });
  }
  return folders;
}

export type NameProblem = "empty" | "slash" | "dots" | "long" | "control" | "taken";

/** What is wrong with a name for an object or folder in this place, as one types. */
export function nameProblem(name: string, prefix: string, taken: (name: string) => boolean): NameProblem | undefined {
  if (name.trim() === "") return "empty";
  if (name.includes("/")) return "slash";
  if (name === "." || name === "..") return "dots";
  if (/\p{Cc}/u.test(name)) return "control";
  if (new TextEncoder().encode(prefix + name).length > 1000) return "long";
  if (taken(name)) return "taken";
  return undefined;
}

export type BucketNameProblem = "short" | "long" | "letters" | "ends" | "dots" | "address" | "reserved";

/** The rules of S3 one by one, so that a half-typed name gets the one sentence that helps. */
export function bucketNameProblem(name: string): BucketNameProblem | undefined {
  if (/[^a-z0-9.-]/.test(name)) return "letters";
  if (/^[.-]|[.-]$/.test(name)) return "ends";
  if (/\.\.|\.-|-\./.test(name)) return "dots";
  if (name.length < 3) return "short";
  if (name.length > 63) return "long";
  if (/^\d+\.\d+\.\d+\.\d+$/.test(name)) return "address";
  if (/^(xn--|sthree-|amzn-s3-demo-)|(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/.test(name)) return "reserved";
  return undefined;
}
