/**
 * `.dockerignore` as Docker's own client reads it (Dockerfile reference, ".dockerignore file"): patterns of Go's filepath.Match with `**`,
 * from the root of the context, where the last line that fits decides; what lies in a folder that fits, fits too. It is not git's syntax.
 */
export interface IgnoreRules {
  ignores(path: string): boolean;
  /** Whether something below an ignored folder may be wanted again. */
  readonly hasExceptions: boolean;
}

interface Rule {
  pattern: RegExp;
  wanted: boolean;
}

export function readDockerignore(text: string): IgnoreRules {
  const rules = text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .filter((line) => !line.startsWith("#"))
    .flatMap((line) => ruleOf(line.trim()));
  return {
    hasExceptions: rules.some(({ wanted }) => wanted),
    ignores(path) {
      let ignored = false;
      const above = ancestors(path);
      for (const { pattern, wanted } of rules) {
        if (ignored !== wanted) continue;
        if (above.some((each) => pattern.test(each))) ignored = !wanted;
      }
      return ignored;
    },
  };
}

/** a/b/c: a, a/b, a/b/c. */
const ancestors = (path: string): string[] => {
  const parts = path.split("/");
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
};

function ruleOf(line: string): Rule[] {
  const wanted = line.startsWith("!");
  const parts: string[] = [];
  for (const part of line
    .slice(wanted ? 1 : 0)
    .trim()
    .split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  if (parts.length === 0) return [];
  const pattern = expression(parts.join("/"));
  return pattern === undefined ? [] : [{ pattern, wanted }];
}

/** Undefined for a pattern that Go calls bad (a class without its end). */
function expression(glob: string): RegExp | undefined {
  let source = "";
  for (let at = 0; at < glob.length; at++) {
    const letter = glob[at] as string;
    if (glob.startsWith("**", at)) {
      while (glob[at + 1] === "*") at++;
      if (glob[at + 1] === "/") {
        at++;
        source += "(?:[^/]+/)*";
      } else source += ".*";
    } else if (letter === "*") source += "[^/]*";
    else if (letter === "?") source += "[^/]";
    else if (letter === "\\" && at + 1 < glob.length) source += escaped(glob[++at] as string);
    else if (letter === "[") {
      const end = glob.indexOf("]", at + 2);
      if (end < 0) return undefined;
      const inside = glob.slice(at + 1, end).replace(/[\\[\]&]/g, "\\$&");
      source += `(?!/)[${inside}]`;
      at = end;
    } else source += escaped(letter);
  }
  try {
    return new RegExp(`^${source}$`, "s");
  } catch {
    return undefined;
  }
}

const escaped = (letter: string): string => letter.replace(/[.*+?^${}()|[\]\\/]/, "\\$&");
