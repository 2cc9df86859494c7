/**
 * RFC 4180. A cell that a spreadsheet would run as a formula is defused with an apostrophe: names in it come from
 * anybody who may name a bucket.
 */
export function csv(rows: (string | number | undefined)[][]): string {
  return rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

function cell(value: string | number | undefined): string {
  if (value === undefined) return "";
  if (typeof value === "number") return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) && !/^-?\d+(\.\d+)?$/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Hands a file made in the browser to the person. */
export function saveFile(name: string, parts: BlobPart[], type: string): void {
  const url = URL.createObjectURL(new Blob(parts, { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // Revoked later: some browsers read it only after the click is over.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** With a byte order mark, without which Excel takes UTF-8 for something else. */
export const saveCsv = (name: string, chunks: string[]): void => saveFile(name, ["\uFEFF", ...chunks], "text/csv;charset=utf-8");
