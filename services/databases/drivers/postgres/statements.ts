/** Where one statement ends and the next begins, as psql tells it (PostgreSQL's manual, 4.1 Lexical Structure). */

export interface StatementPlace {
  start: number;
  /** Before its semicolon. */
  end: number;
}

/** Those that say anything: of spaces, comments and semicolons alone there are none. */
export function splitStatements(text: string): StatementPlace[] {
  const found: StatementPlace[] = [];
  // Where the present one begins; undefined while only spaces and comments have come.
  let start: number | undefined;
  let end = 0;
  let depth = 0;
  // A function's body in plain SQL: BEGIN ATOMIC … END, with semicolons in it.
  let body = 0;
  let words: string[] = [];
  const close = () => {
    if (start !== undefined) found.push({ start, end });
    start = undefined;
    depth = 0;
    body = 0;
    words = [];
  };
  for (let at = 0; at < text.length; ) {
    const next = skipBlank(text, at);
    if (next !== at) {
      at = next;
      continue;
    }
    const letter = text.charAt(at);
    if (letter === ";" && depth <= 0 && body === 0) {
      close();
      at++;
      continue;
    }
    start ??= at;
    const token = tokenAt(text, at);
    if (letter === "(") depth++;
    else if (letter === ")") depth--;
    else if (token.word !== undefined) {
      if (words.length < 4) words.push(token.word);
      if (isRoutine(words)) {
        if (token.word === "begin" || (token.word === "case" && body > 0)) body++;
        else if (token.word === "end" && body > 0) body--;
      }
    }
    at = token.end;
    end = at;
  }
  close();
  return found;
}

const isRoutine = ([first, second, third, fourth]: readonly string[]): boolean =>
  first === "create" &&
  (/^(function|procedure)$/.test(second ?? "") ||
    (second === "or" && third === "replace" && /^(function|procedure)$/.test(fourth ?? "")));

/** Past spaces and comments. */
function skipBlank(text: string, from: number): number {
  let at = from;
  for (;;) {
    if (/\s/.test(text.charAt(at))) at++;
    else if (text.startsWith("--", at)) {
      const end = text.indexOf("\n", at);
      at = end === -1 ? text.length : end + 1;
    } else if (text.startsWith("/*", at)) at = commentEnd(text, at);
    else return at;
  }
}

/** They nest. */
function commentEnd(text: string, from: number): number {
  const mark = /\/\*|\*\//g;
  mark.lastIndex = from;
  let depth = 0;
  for (let found = mark.exec(text); found; found = mark.exec(text)) {
    depth += found[0] === "/*" ? 1 : -1;
    if (depth === 0) return mark.lastIndex;
  }
  return text.length;
}

const plain = /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y;
const dollar = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y;
const number = /[0-9][0-9A-Za-z_.$]*/y;

function matched(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function tokenAt(text: string, at: number): { end: number; word?: string } {
  const letter = text.charAt(at);
  if (letter === "'" || letter === '"') return { end: quoteEnd(text, at, letter, false) };
  const tag = matched(dollar, text, at);
  if (tag !== undefined) {
    const end = text.indexOf(tag, at + tag.length);
    return { end: end === -1 ? text.length : end + tag.length };
  }
  const word = matched(plain, text, at);
  if (word !== undefined) {
    const end = at + word.length;
    // E'…' has backslashes that escape.
    if (text.charAt(end) === "'") return { end: quoteEnd(text, end, "'", word.toLowerCase() === "e") };
    return { end, word: word.toLowerCase() };
  }
  const digits = matched(number, text, at);
  return { end: at + (digits?.length ?? 1) };
}

function quoteEnd(text: string, from: number, quote: string, escapes: boolean): number {
  for (let at = from + 1; at < text.length; at++) {
    if (escapes && text.charAt(at) === "\\") at++;
    else if (text.charAt(at) === quote) {
      if (text.charAt(at + 1) !== quote) return at + 1;
      at++;
    }
  }
  return text.length;
}
