/** What a preview is called, and of which branches there are any. */
import { createHash } from "node:crypto";

/** RFC 1035, 2.3.4. */
const labelLength = 63;
const shortHash = 6;

/**
 * A DNS label of branch and app, always the same: `feature-x--web`. Where the branch has more than a label can tell, or is too long for it,
 * the end of the branch's part is a hash of its name. `apart`: another app has the usual name.
 */
export function previewName(app: string, branch: string, { apart = false } = {}): string {
  const hash = createHash("sha256").update(branch).digest("hex").slice(0, shortHash);
  const plain = branch
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
  const room = labelLength - app.length - "--".length;
  // Labels with two hyphens in the third and fourth place are reserved (RFC 5891, 4.2.3.1), and no public authority certifies them.
  const isFaithful = plain.replaceAll("-", "/") === branch.replaceAll("-", "/") && plain.length <= room && plain.length !== 2;
  if (isFaithful && !apart && /^[a-z]/.test(plain)) return `${plain}--${app}`;
  const start = `b-${plain}`
    .replace(/^b-(?=[a-z])/, "")
    .slice(0, room - shortHash - 1)
    .replace(/-+$/, "");
  return `${start === "" ? "b" : start}-${hash}--${app}`;
}

/** `*` stands for anything, slashes too. */
export const matches = (patterns: readonly string[], branch: string): boolean =>
  patterns.some((pattern) => covers(pattern.split("*"), branch));

/** Piece by piece, so that no pattern takes long. */
function covers(pieces: readonly string[], text: string): boolean {
  const [first = "", ...rest] = pieces;
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return at <= text.length - last.length;
}
