/** What was run lately, in this browser alone: by database, the newest first, each text once. */
export interface Ran {
  sql: string;
  at: string;
}

const most = 50;
/** Of one text; longer ones are not kept. */
const longest = 20_000;
const keyOf = (database: string): string => `khmara.sql.${database}`;

export function readHistory(database: string): Ran[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(keyOf(database)) ?? "[]");
    return Array.isArray(found)
      ? found.filter((one): one is Ran => typeof one?.sql === "string" && typeof one?.at === "string")
      : [];
  } catch {
    return [];
  }
}

export function addToHistory(database: string, sql: string, at = new Date()): Ran[] {
  const text = sql.trim();
  const before = readHistory(database);
  if (text === "" || text.length > longest) return before;
  const next = [{ sql: text, at: at.toISOString() }, ...before.filter((one) => one.sql !== text)].slice(0, most);
  try {
    localStorage.setItem(keyOf(database), JSON.stringify(next));
  } catch {
    // No room in the browser: the newest is worth more than all the others.
    localStorage.setItem(keyOf(database), JSON.stringify(next.slice(0, 1)));
  }
  return next;
}

export const clearHistory = (database: string): void => localStorage.removeItem(keyOf(database));
