import type { Id } from "../../../../kernel/ids.ts";
import type { BucketTotals, Meter, StorageFact } from "../../driver.ts";
import type { Database, Transaction } from "./database.ts";
import { factKey } from "./keys.ts";
import { decode, encode } from "./records.ts";

/** Totals of a bucket, and the span that is running: bytes over time since `fromMs`, counted up to `atMs`. */
interface Account extends BucketTotals {
  fromMs: number;
  atMs: number;
  byteMilliseconds: string;
  writeRequests: number;
  readRequests: number;
  deleteRequests: number;
  receivedBytes: number;
  sentBytes: number;
}

const hourMs = 3_600_000;
const requestCounts = { write: "writeRequests", read: "readRequests", delete: "deleteRequests" } as const;

export interface RequestCounts {
  writeRequests: number;
  readRequests: number;
  deleteRequests: number;
  receivedBytes: number;
  sentBytes: number;
}
const noRequests: RequestCounts = { writeRequests: 0, readRequests: 0, deleteRequests: 0, receivedBytes: 0, sentBytes: 0 };

export function countRequest(counts: RequestCounts, meter: Meter): void {
  counts[requestCounts[meter.requestClass]]++;
  counts.receivedBytes += meter.receivedBytes ?? 0;
  counts.sentBytes += meter.sentBytes ?? 0;
}

export const newCounts = (): RequestCounts => ({ ...noRequests });

const isIdle = (account: Account): boolean =>
  account.byteMilliseconds === "0" &&
  account.writeRequests + account.readRequests + account.deleteRequests + account.receivedBytes + account.sentBytes === 0;

const storedBytes = (account: Account): number => account.sizeBytes + account.versionBytes + account.uploadBytes;
const noBytes: BucketTotals = { objects: 0, sizeBytes: 0, versions: 0, versionBytes: 0, uploadBytes: 0 };

/** Accounts read in this transaction; they are written once, at its end. */
const opened = new WeakMap<Transaction, Map<string, Account>>();

function accountOf(transaction: Transaction, bucketId: string): Account {
  const accounts = opened.get(transaction) ?? new Map<string, Account>();
  opened.set(transaction, accounts);
  let account = accounts.get(bucketId);
  if (account === undefined) {
    const { nowMs } = transaction;
    const stored = transaction.get("accounts", Buffer.from(bucketId));
    account = stored
      ? { ...noBytes, ...decode<Account>(stored) }
      : { ...noBytes, fromMs: nowMs, atMs: nowMs, byteMilliseconds: "0", ...noRequests };
    accounts.set(bucketId, account);
  }
  advance(transaction, bucketId, account, transaction.nowMs);
  return account;
}

function keep(transaction: Transaction, bucketId: string, account: Account): void {
  transaction.changes++;
  transaction.atEnd.set(`account ${bucketId}`, () => transaction.put("accounts", Buffer.from(bucketId), encode(account)));
}

/** Brings the integral up to now. A clock that went backwards adds nothing until it has caught up. */
function advance(transaction: Transaction, bucketId: string, account: Account, nowMs: number): void {
  for (;;) {
    const hourEnd = (Math.floor(account.fromMs / hourMs) + 1) * hourMs;
    if (nowMs < hourEnd) break;
    integrate(account, hourEnd);
    if (isIdle(account)) {
      // Nothing stored, nothing asked: no fact for any of the hours that passed.
      account.fromMs = account.atMs = nowMs;
      break;
    }
    closeSpan(transaction, bucketId, account, hourEnd);
    if (storedBytes(account) === 0) account.fromMs = account.atMs = nowMs;
  }
  integrate(account, nowMs);
}

function integrate(account: Account, toMs: number): void {
  if (toMs <= account.atMs) return;
  const bytes = storedBytes(account);
  if (bytes > 0)
    account.byteMilliseconds = String(BigInt(account.byteMilliseconds) + BigInt(bytes) * BigInt(toMs - account.atMs));
  account.atMs = toMs;
}

function closeSpan(transaction: Transaction, bucketId: string, account: Account, toMs: number): void {
  const sequence = nextSequence(transaction);
  const { fromMs, byteMilliseconds, writeRequests, readRequests, deleteRequests, receivedBytes, sentBytes } = account;
  const fact: StorageFact = {
    id: `${bucketId}:${fromMs}:${sequence}`,
    bucketId: bucketId as Id<"bucket">,
    fromMs,
    toMs,
    byteMilliseconds,
    writeRequests,
    readRequests,
    deleteRequests,
    receivedBytes,
    sentBytes,
  };
  transaction.put("facts", factKey(bucketId, fromMs, sequence), encode(fact));
  Object.assign(account, noRequests, { fromMs: toMs, byteMilliseconds: "0" });
  keep(transaction, bucketId, account);
}

const sequenceKey = Buffer.from("factSequence");
function nextSequence(transaction: Transaction): number {
  const stored = transaction.get("counters", sequenceKey);
  const next = stored === undefined ? 1 : decode<number>(stored) + 1;
  transaction.put("counters", sequenceKey, encode(next));
  return next;
}

export interface Change extends Partial<BucketTotals> {
  meter?: Meter | undefined;
}

/** Books a change of what is stored, and the request that made it, in the transaction of the change. */
export function book(transaction: Transaction, bucketId: Id<"bucket">, change: Change): void {
  const account = accountOf(transaction, bucketId);
  account.objects += change.objects ?? 0;
  account.sizeBytes += change.sizeBytes ?? 0;
  account.versions += change.versions ?? 0;
  account.versionBytes += change.versionBytes ?? 0;
  account.uploadBytes += change.uploadBytes ?? 0;
  if (change.meter !== undefined) countRequest(account, change.meter);
  keep(transaction, bucketId, account);
}

export function bookRequests(transaction: Transaction, bucketId: string, counts: RequestCounts): void {
  const account = accountOf(transaction, bucketId);
  for (const name of Object.keys(noRequests) as (keyof RequestCounts)[]) account[name] += counts[name];
  keep(transaction, bucketId, account);
}

export function totalsOf(account: Uint8Array | undefined): BucketTotals {
  if (account === undefined) return noBytes;
  const { objects, sizeBytes, versions, versionBytes, uploadBytes } = { ...noBytes, ...decode<Account>(account) };
  return { objects, sizeBytes, versions, versionBytes, uploadBytes };
}

/** Ends the running span, so that its fact can be read. */
function closeRunning(transaction: Transaction, bucketId: string): void {
  const account = accountOf(transaction, bucketId);
  if (account.fromMs >= account.atMs && !isIdle(account)) {
    // A span is never empty: requests of this very millisecond, or of a clock that went backwards, get the next one.
    integrate(account, account.fromMs + 1);
  }
  if (!isIdle(account)) closeSpan(transaction, bucketId, account, account.atMs);
}

/** The last fact of a bucket that goes. */
export function closeAccount(transaction: Transaction, bucketId: string): void {
  closeRunning(transaction, bucketId);
  opened.get(transaction)?.delete(bucketId);
  transaction.atEnd.delete(`account ${bucketId}`);
  transaction.remove("accounts", Buffer.from(bucketId));
}

const bucketsAtOnce = 500;
const forgottenAfterMs = 24 * hourMs;
const lastKey = Buffer.from([0xff]);

/** Closes every running span, some buckets in each transaction so that no one waits long for the lock. */
export async function closeAllRunning(database: Database): Promise<void> {
  for (let start: Buffer | undefined = Buffer.alloc(1); start !== undefined; ) {
    const from: Buffer = start;
    start = await database.write((transaction) => {
      const page = transaction.range("accounts", from, lastKey, bucketsAtOnce);
      for (const { key, value } of page) {
        const { objects, versions, uploadBytes, atMs } = { ...noBytes, ...decode<Account>(value) };
        closeRunning(transaction, key.toString());
        // Requests to a bucket that is gone leave an account. Not removed sooner: it also holds how far time has come.
        if (objects + versions + uploadBytes === 0 && atMs < transaction.nowMs - forgottenAfterMs)
          closeAccount(transaction, key.toString());
      }
      const last = page.at(-1);
      return last === undefined ? undefined : Buffer.concat([last.key, Buffer.alloc(1)]);
    });
  }
}

export const factsOf = (database: Database, limit: number): StorageFact[] =>
  database.read((index) => index.range("facts", Buffer.alloc(1), lastKey, limit).map(({ value }) => decode<StorageFact>(value)));

export function forgetFacts(transaction: Transaction, ids: string[]): void {
  for (const id of ids) {
    const [bucketId, fromMs, sequence] = id.split(":");
    if (bucketId !== undefined && /^\d+$/.test(fromMs ?? "") && /^\d+$/.test(sequence ?? ""))
      transaction.remove("facts", factKey(bucketId, Number(fromMs), Number(sequence)));
  }
}
