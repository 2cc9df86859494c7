/** A CSV table (RFC 4180) as people have it: with commas, semicolons or tabs, a byte order mark, and whatever their Excel writes. */
export interface Table {
  columns: string[];
  /** `line` as an editor counts, where the row ends. */
  rows: { line: number; cells: string[] }[];
}

const bare = (csv: string): string => csv.replace(/^\uFEFF/, "");

/** As the import reads it (services/voice/table.ts). */
export function readCsv(csv: string): Table {
  const text = bare(csv);
  const first = text.split(/\r?\n/, 1)[0] ?? "";
  const delimiter = [";", "\t"].find((sign) => first.includes(sign)) ?? ",";
  const rows: Table["rows"] = [];
  let cells: string[] = [];
  let cell = "";
  let quoted = false;
  let line = 1;
  const endRow = () => {
    cells.push(cell.trim());
    cell = "";
    if (cells.some((one) => one !== "")) rows.push({ line, cells });
    cells = [];
  };
  for (let at = 0; at < text.length; at++) {
    const sign = text[at] as string;
    if (quoted && sign === '"' && text[at + 1] === '"') {
      cell += sign;
      at++;
    } else if (sign === '"' && (quoted || cell.trim() === "")) quoted = !quoted;
    else if (!quoted && sign === delimiter) {
      cells.push(cell.trim());
      cell = "";
    } else if (!quoted && sign === "\n") endRow();
    else if (sign !== "\r") cell += sign;
    if (sign === "\n") line++;
  }
  if (cell !== "" || cells.length > 0) endRow();
  const [names, ...others] = rows;
  return { columns: (names?.cells ?? []).map((name) => name.toLowerCase()), rows: others };
}

/** The text of a file: UTF-8, else the code page that Excel saves in where this language is spoken. */
export function decoded(bytes: ArrayBuffer, language: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder(language === "uk" ? "windows-1251" : "windows-1252").decode(bytes);
  }
}
