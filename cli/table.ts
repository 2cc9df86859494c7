/** How many columns of a terminal a text takes: wide letters two, combining marks none. */
export function width(text: string): number {
  let columns = 0;
  for (const letter of text) {
    const code = letter.codePointAt(0) as number;
    if (/\p{Mn}|\p{Me}|\p{Cf}/u.test(letter)) continue;
    const wide =
      (code >= 0x1100 && code <= 0x115f) ||
      (code >= 0x2e80 && code <= 0xa4cf) ||
      (code >= 0xac00 && code <= 0xd7a3) ||
      (code >= 0xf900 && code <= 0xfaff) ||
      (code >= 0xfe30 && code <= 0xfe6f) ||
      (code >= 0xff00 && code <= 0xff60) ||
      (code >= 0x1f300 && code <= 0x1faff);
    columns += wide ? 2 : 1;
  }
  return columns;
}

// What others wrote is shown, never obeyed: escape sequences and line breaks would let a name repaint the terminal.
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is taken out.
export const plain = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "�");

/** One line of a program's output: tabs stay, colours and other sequences go (ECMA-48, 5.4; OSC ends with BEL or ST). */
export const plainLine = (text: string): string =>
  text
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is taken out.
    .replace(/\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\))/g, "")
    .split("\t")
    .map(plain)
    .join("\t");

function fit(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  let kept = "";
  for (const letter of text) {
    if (width(kept + letter) > columns - 1) break;
    kept += letter;
  }
  return `${kept}…`;
}

export interface Column {
  title: string;
  /** Numbers stand at the right. */
  right?: boolean;
  /** Kept whole, as it is to be copied: ids. */
  whole?: boolean;
}

const gap = 2;

/** An aligned table. What does not fit the terminal is shortened, the widest columns first. */
export function table(columns: Column[], rows: string[][], terminalColumns: number): string {
  const cells = rows.map((row) => row.map(plain));
  const widths = columns.map((column, at) => Math.max(width(column.title), ...cells.map((row) => width(row[at] ?? ""))));
  const room = () => terminalColumns - widths.reduce((sum, one) => sum + one, 0) - gap * (columns.length - 1);
  while (room() < 0) {
    const shrinkable = widths.map((one, at) => (columns[at]?.whole || one <= 8 ? 0 : one));
    const widest = Math.max(...shrinkable);
    if (widest === 0) break;
    const at = shrinkable.indexOf(widest);
    widths[at] = Math.max(8, widest + Math.max(room(), -4));
  }
  const line = (row: string[]) =>
    row
      .map((cell, at) => {
        const text = fit(cell, widths[at] as number);
        const space = " ".repeat(Math.max(0, (widths[at] as number) - width(text)));
        return columns[at]?.right ? space + text : text + space;
      })
      .join(" ".repeat(gap))
      .trimEnd();
  return `${[line(columns.map((one) => one.title)), ...cells.map(line)].join("\n")}\n`;
}

/** Names on the left, values on the right; further lines of a value stand below its first. */
export function block(entries: [string, string][]): string {
  const left = Math.max(0, ...entries.map(([name]) => width(name)));
  return entries
    .map(([name, value]) => {
      const lines = value.split("\n").map(plain);
      const head = name + " ".repeat(left - width(name) + gap);
      return `${head}${lines.join(`\n${" ".repeat(left + gap)}`)}\n`;
    })
    .join("");
}
