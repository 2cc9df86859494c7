export interface Variable {
  name: string;
  value: string;
}
export interface DotenvResult {
  variables: Variable[];
  /** Numbers of the lines that are no variables. */
  badLines: number[];
}

const name = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]{0,127})\s*=[ \t]*/;

/**
 * The variables of a .env file as most programs read it: `export` before the name, comments, 'single' quotes taken as they are,
 * "double" quotes with \n, \t, \" and \\, both over several lines. The last one of a name counts. `$OTHER` is not put in: what is seen is what is set.
 */
export function parseDotenv(text: string): DotenvResult {
  const variables = new Map<string, string>();
  const badLines: number[] = [];
  const lines = text
    .replaceAll("\r\n", "\n")
    .replace(/^\uFEFF/, "")
    .split("\n");
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] as string;
    if (/^\s*(#|$)/.test(line)) continue;
    const found = name.exec(line);
    if (!found) {
      badLines.push(at + 1);
      continue;
    }
    const rest = line.slice(found[0].length);
    const quote = rest[0];
    if (quote !== '"' && quote !== "'") {
      variables.set(found[1] as string, rest.replace(/(^|\s)#.*$/, "").trim());
      continue;
    }
    const begun = at;
    let body = rest.slice(1);
    let end = closing(body, quote);
    while (end < 0 && at + 1 < lines.length) {
      at++;
      body += `\n${lines[at]}`;
      end = closing(body, quote);
    }
    if (end < 0) {
      // A quote that nothing closes is part of the value, and the lines after it are their own.
      at = begun;
      badLines.push(begun + 1);
      continue;
    }
    const value = body.slice(0, end);
    variables.set(found[1] as string, quote === "'" ? value : unescaped(value));
  }
  return { variables: [...variables].map(([key, value]) => ({ name: key, value })), badLines };
}

function closing(text: string, quote: string): number {
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "\\" && quote === '"') at++;
    else if (text[at] === quote) return at;
  }
  return -1;
}

const letters: Record<string, string> = { n: "\n", r: "\r", t: "\t" };
const unescaped = (text: string) => text.replace(/\\([\s\S])/g, (_, letter: string) => letters[letter] ?? letter);

/** Whether a variable of this name is likely to be one that nobody should read. */
export const looksSecret = (variable: string): boolean =>
  /(SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|PRIVATE|CREDENTIAL|API_?KEY|ACCESS_?KEY|DATABASE_URL|REDIS_URL|DSN|(^|_)KEY$|(^|_)SALT$|(^|_)PASS$)/i.test(
    variable,
  );
