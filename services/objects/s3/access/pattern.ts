/** Patterns of policies: "*" is any run of characters, "?" is any one ("IAM JSON policy elements: Resource", IAM User Guide). */

const any = Symbol("any");
const one = Symbol("one");
/** Characters that mean themselves, and wildcards. What a variable was replaced by is never a wildcard. */
export type Pattern = (string | typeof any | typeof one)[];

/** The value of a policy variable, or undefined when the request has none. */
export type Variables = (name: string) => string | undefined;

/** Undefined when a variable has no value and no default: then the pattern matches nothing. */
export function compilePattern(text: string, variables?: Variables): Pattern | undefined {
  const pattern: Pattern = [];
  for (let i = 0; i < text.length; i++) {
    const character = text[i] as string;
    const end = variables && character === "$" && text[i + 1] === "{" ? text.indexOf("}", i) : -1;
    if (variables && end > 0) {
      const value = variableValue(text.slice(i + 2, end), variables);
      if (value === undefined) return undefined;
      pattern.push(...value.split(""));
      i = end;
    } else if (character === "*") {
      if (pattern.at(-1) !== any) pattern.push(any);
    } else pattern.push(character === "?" ? one : character);
  }
  return pattern;
}

/** "${*}", "${?}" and "${$}" are the characters themselves; "${key, 'text'}" has a default. */
function variableValue(inside: string, variables: Variables): string | undefined {
  if (inside === "*" || inside === "?" || inside === "$") return inside;
  const [, name, otherwise] = /^\s*([^,\s]+)\s*(?:,\s*'([^']*)'\s*)?$/.exec(inside) ?? [];
  return name === undefined ? undefined : (variables(name) ?? otherwise);
}

/** In time that grows with the lengths multiplied at worst: nobody's pattern can stop the server. */
export function matchesPattern(pattern: Pattern, text: string): boolean {
  let at = 0;
  let star = -1;
  let resume = 0;
  for (let i = 0; i < text.length; ) {
    const wanted = pattern[at];
    if (wanted === any) {
      star = at++;
      resume = i;
    } else if (at < pattern.length && (wanted === one || wanted === text[i])) {
      at++;
      i++;
    } else if (star >= 0) {
      at = star + 1;
      i = ++resume;
    } else return false;
  }
  while (pattern[at] === any) at++;
  return at === pattern.length;
}

export const isPlain = (text: string): boolean => !/[*?]|\$\{/.test(text);
