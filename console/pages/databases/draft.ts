/** What is being written, kept in this browser until it is something else. */
const keyOf = (database: string): string => `khmara.sqlDraft.${database}`;
const longest = 200_000;

export const draftOf = (database: string): string => localStorage.getItem(keyOf(database)) ?? "";

export function keepDraft(database: string, text: string): void {
  try {
    if (text === "" || text.length > longest) localStorage.removeItem(keyOf(database));
    else localStorage.setItem(keyOf(database), text);
  } catch {
    // Without room in the browser it is not kept: nothing that was run is lost by that.
  }
}
