import { randomPiece } from "../../../../kernel/randomPiece.ts";
import type { Transaction } from "./database.ts";
import { type Content, decode, decodeContent, encode, encodeContent, type PartRecord } from "./records.ts";

/**
 * 48 bits of milliseconds, so that the index grows at its end; 64 random bits; and the two folders that a file of this
 * content lies in. Hex.
 */
export function newContentId(folders: number): string {
  const id = Buffer.allocUnsafe(16);
  id.writeUIntBE(Date.now(), 0, 6);
  randomPiece(8).copy(id, 6);
  id.writeUInt16BE(folders, 14);
  return id.toString("hex");
}

const contentKey = (id: string): Buffer => Buffer.from(id, "hex");
const nothing = Buffer.alloc(0);

export function createContent(transaction: Transaction, id: string, content: Omit<Content, "references">): void {
  transaction.put("contents", contentKey(id), encodeContent({ ...content, references: 1 }));
}

export function createList(transaction: Transaction, id: string, parts: PartRecord[], sizeBytes: number): void {
  createContent(transaction, id, { kind: "list", sizeBytes, crc32: 0, md5: Buffer.alloc(16), payload: encode(parts) });
}

export function contentIn(index: Pick<Transaction, "get">, id: string): Content | undefined {
  const stored = index.get("contents", contentKey(id));
  return stored && decodeContent(stored);
}

/** One more object shares the bytes. */
export function share(transaction: Transaction, id: string): void {
  const content = contentIn(transaction, id);
  if (content === undefined) throw new Error(`Content ${id} is not in the index.`);
  transaction.put("contents", contentKey(id), encodeContent({ ...content, references: content.references + 1 }));
}

/** One object fewer; after the last one the bytes go, files by way of the garbage table and only after the commit. */
export function release(transaction: Transaction, id: string): void {
  const content = contentIn(transaction, id);
  if (content === undefined) return;
  if (content.references > 1) {
    transaction.put("contents", contentKey(id), encodeContent({ ...content, references: content.references - 1 }));
    return;
  }
  transaction.remove("contents", contentKey(id));
  if (content.kind === "list") for (const part of partsIn(content)) release(transaction, part.content);
  letGo(transaction, id, content.kind);
}

/** Its bytes are removed from where they lie, after the commit. */
function letGo(transaction: Transaction, id: string, kind: Content["kind"]): void {
  if (kind === "file") {
    transaction.put("garbage", contentKey(id), nothing);
    transaction.garbage = true;
  }
  if (kind === "cluster") transaction.put("clusterGarbage", clusterGarbageKey(transaction.nowMs, id), nothing);
}

/** The same bytes lie elsewhere now. False when they are gone, or lie elsewhere already. */
export function replaceContent(
  transaction: Transaction,
  id: string,
  from: Content["kind"],
  place: Pick<Content, "kind"> & Partial<Pick<Content, "payload">>,
): boolean {
  const content = contentIn(transaction, id);
  if (content?.kind !== from) return false;
  transaction.put("contents", contentKey(id), encodeContent({ ...content, ...place }));
  letGo(transaction, id, from);
  return true;
}

/** In the order of time. */
export function clusterGarbageKey(atMs: number, contentId: string): Buffer {
  const key = Buffer.alloc(6 + contentId.length / 2);
  key.writeUIntBE(atMs, 0, 6);
  key.write(contentId, 6, "hex");
  return key;
}

export const partsIn = (content: Content | undefined): PartRecord[] =>
  content?.kind === "list" ? decode<PartRecord[]>(content.payload) : [];

/** Waits for its removal in the garbage table. */
export const isGarbage = (index: Pick<Transaction, "get">, id: string): boolean =>
  index.get("garbage", contentKey(id)) !== undefined;

export const isKept = (index: Pick<Transaction, "get">, id: string): boolean =>
  index.get("contents", contentKey(id)) !== undefined;
