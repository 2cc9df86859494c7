/**
 * Which images a Dockerfile takes, and what it fetches: the builder would take any image of the engine, other people's too, and ADD fetches
 * from the host's own network. So it is read here as the classic builder reads it (moby, builder/dockerfile; Dockerfile reference, "Format",
 * "Parser directives"), and written anew, an instruction a line, with the images by names of ours: the builder sees nothing that was not seen here.
 */
import { CloudError } from "../../../kernel/errors.ts";

export interface ImageUse {
  /** Of the Dockerfile; 1 is the first. */
  line: number;
  /** Variables are put in: `node:22-slim`. */
  image: string;
}

export interface JudgedDockerfile {
  /** Each once: those that are no stage of the file, nor `scratch`. */
  images: ImageUse[];
  /** The same with other names for these images. */
  rewrite(nameOf: (image: string) => string): string;
}

type Piece = string | { image: string };

interface Line {
  number: number;
  name: string;
  words: string;
}

const known = new Set(
  "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER VOLUME WORKDIR".split(
    " ",
  ),
);
/** Go's and JavaScript's ideas of a space differ in these. */
const oddSpace = /[\v\f\r\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]/;
const imageName = /^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}$/;
const stageName = /^[a-z][a-z0-9-_.]*$/;

/** Throws invalid_argument (`details.reason` dockerfile_refused) with the line, and what to write instead. */
export function judgeDockerfile(text: string, given: Readonly<Record<string, string>> = {}): JudgedDockerfile {
  const { lines, mark } = linesOf(text);
  const output: Piece[][] = mark === "`" ? [["# escape=`"]] : [];
  const images = new Map<string, ImageUse>();
  const globals = new Map<string, string>();
  const stages: (string | undefined)[] = [];
  const use = (line: Line, image: string): Piece => {
    if (!imageName.test(image)) throw refused(line, `${shown(image)} is no name of an image.`);
    if (!images.has(image)) images.set(image, { line: line.number, image });
    return { image };
  };

  for (const line of lines) {
    const { name, words } = line;
    if (!known.has(name)) throw refused(line, `there is no instruction ${shown(name)}.`);
    // As a line of its own it would swallow the next one.
    if (words.endsWith(mark)) throw refused(line, `it ends with ${mark}.`);
    if (stages.length === 0 && name === "ARG") declare(line, globals, given);
    if (name === "FROM") {
      const { image, as } = fromWords(line);
      const base = expand(line, image, globals);
      const isStage = stages.includes(base.toLowerCase());
      const from: Piece = isStage || base === "scratch" ? base : use(line, base);
      stages.push(as);
      output.push(["FROM ", from, ...(as === undefined ? [] : [` AS ${as}`])]);
      continue;
    }
    if (name === "COPY") {
      const { flags, rest } = flagsOf(line, words, mark);
      const pieces: Piece[] = ["COPY "];
      for (const flag of flags) {
        const from = /^--from=(.*)$/s.exec(flag)?.[1];
        if (from === undefined) pieces.push(`${flag} `);
        else {
          const isStage = stages.slice(0, -1).includes(from.toLowerCase()) || isIndex(from, stages.length - 1);
          if (!isStage && stages.at(-1) === from.toLowerCase()) throw refused(line, "a stage cannot copy from itself.");
          pieces.push("--from=", isStage ? from : use(line, from), " ");
        }
      }
      output.push([...pieces, rest]);
      continue;
    }
    if (name === "ADD") checkAdd(line, words, mark);
    if (name === "ONBUILD") checkTrigger(words, line, mark);
    output.push([`${name} ${words}`]);
  }
  return {
    images: [...images.values()],
    rewrite: (nameOf) =>
      `${output.map((pieces) => pieces.map((piece) => (typeof piece === "string" ? piece : nameOf(piece.image))).join("")).join("\n")}\n`,
  };
}

/** What an image does when another is built from it (`ImageReport.onBuild`) is held to the same. Throws as judgeDockerfile does. */
export function judgeTriggers(image: string, onBuild: readonly string[]): void {
  for (const words of onBuild) {
    try {
      checkTrigger(words, { number: 0, name: "ONBUILD", words }, "\\");
    } catch (error) {
      const said = `ONBUILD ${shown(words)}`;
      throw new CloudError(
        "invalid_argument",
        `The image ${image} cannot be built on: it brings an instruction (${said}) that is not allowed here.`,
        { cause: error, details: { reason: "dockerfile_refused", said } },
      );
    }
  }
}

function refused({ number, name }: Line, why: string): CloudError {
  const said = `line ${number} (${shown(name)}): ${why}`;
  return new CloudError("invalid_argument", `Dockerfile, ${said}`, {
    details: { reason: "dockerfile_refused", line: number, said },
  });
}

const shown = (text: string): string => text.replace(/[\p{Cc}\p{Cf}]/gu, "�").slice(0, 80);

/** Continued lines are joined as the builder does it; comments and empty lines go. */
function linesOf(text: string): { lines: Line[]; mark: "\\" | "`" } {
  const physical = text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .map((line) => line.replace(/\r$/, ""));
  let mark: "\\" | "`" = "\\";
  for (const [index, line] of physical.entries()) {
    const directive = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/.exec(line.replace(/^[ \t]+/, ""));
    if (!directive) break;
    const [, name = "", value = ""] = directive;
    if (name.toLowerCase() !== "escape") continue;
    if (value !== "\\" && value !== "`")
      throw refused({ number: index + 1, name: "# escape", words: "" }, "only \\ and ` may be its value.");
    mark = value;
  }
  const continues = mark === "\\" ? /\\[ \t]*$/ : /`[ \t]*$/;
  const isComment = (line: string) => /^\s*#/.test(line);
  const lines: Line[] = [];
  for (let index = 0; index < physical.length; index++) {
    const number = index + 1;
    let line = (physical[index] as string).replace(/^\s+/, "");
    if (isComment(line)) continue;
    let more = continues.test(line);
    line = line.replace(continues, "");
    while (more && index + 1 < physical.length) {
      index++;
      const next = physical[index] as string;
      if (isComment(next) || next.trim() === "") continue;
      more = continues.test(next);
      line += next.replace(continues, "");
    }
    line = line.trim();
    if (line === "") continue;
    const [, name = "", words = ""] = /^([^ \t]+)[ \t]*([\s\S]*)$/.exec(line) ?? [];
    const upper = name.toUpperCase();
    const parsed = { number, name: upper, words };
    if (["FROM", "COPY", "ADD", "ONBUILD"].includes(upper) && oddSpace.test(line))
      throw refused(parsed, "it has a space in it that is none of the usual ones. Write it with plain spaces.");
    lines.push(parsed);
  }
  return { lines, mark };
}

function fromWords(line: Line): { image: string; as: string | undefined } {
  const words = line.words.split(/[ \t]+/).filter((word) => word !== "");
  // All builds are for this host.
  const [image, as, name, ...more] = words.filter((word) => !/^--platform=[\w${}/-]*$/.test(word));
  if (image === undefined || more.length > 0 || (as !== undefined && (as.toUpperCase() !== "AS" || name === undefined)))
    throw refused(line, "write FROM image, or FROM image AS name.");
  if (image.startsWith("--")) throw refused(line, `${shown(image)} is not known here.`);
  const stage = name?.toLowerCase();
  if (stage !== undefined && !stageName.test(stage))
    throw refused(line, `${shown(stage)} is no name of a stage: letters, digits, -, _ and . are.`);
  return { image, as: stage };
}

/** `ARG NAME` and `ARG NAME=value`, before the first FROM. */
function declare(line: Line, globals: Map<string, string>, given: Readonly<Record<string, string>>): void {
  const [, name, value] = /^([A-Za-z_]\w*)(?:=([\s\S]*))?$/.exec(line.words) ?? [];
  // Several in one, which the classic builder does not take.
  if (name === undefined) throw refused(line, "write ARG NAME, or ARG NAME=value, each in a line of its own.");
  const plain = value === undefined ? undefined : value.replace(/^(["'])([^"'\\]*)\1$/, "$2");
  const chosen = Object.hasOwn(given, name) ? given[name] : plain === undefined ? undefined : expandOr(line, plain, globals);
  if (chosen !== undefined) globals.set(name, chosen);
}

/** A default that is not for FROM may be anything; one that is, is refused where it is used. */
function expandOr(line: Line, text: string, globals: ReadonlyMap<string, string>): string | undefined {
  try {
    return expand(line, text, globals);
  } catch {
    return undefined;
  }
}

/** `$NAME`, `${NAME}` and `${NAME:-default}` of what was declared before. */
function expand(line: Line, text: string, globals: ReadonlyMap<string, string>): string {
  const expanded = text.replace(/\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::-([^${}]*))?\})/g, (_, plain, braced, fallback) => {
    const name = (plain ?? braced) as string;
    const value = globals.get(name) || (fallback as string | undefined);
    if (value === undefined)
      throw refused(line, `${name} has no value. Declare it before the first FROM (ARG ${name}=…), or write the name itself.`);
    return value;
  });
  if (/[$"'`\\]/.test(expanded)) throw refused(line, `${shown(text)} is not understood. Write the name of the image itself.`);
  return expanded;
}

/** Words at the beginning that start with --, as the builder takes them. */
function flagsOf(line: Line, words: string, mark: string): { flags: string[]; rest: string } {
  const flags: string[] = [];
  let rest = words;
  for (;;) {
    const [, flag, after] = /^(--[^ \t]*)[ \t]*([\s\S]*)$/.exec(rest) ?? [];
    if (flag === undefined || after === undefined) return { flags, rest };
    if (/["'$]/.test(flag) || flag.includes(mark) || flag.includes("\\"))
      throw refused(line, `${shown(flag)}: write it without quotation marks, variables and ${mark}.`);
    flags.push(flag);
    rest = after;
  }
}

const isIndex = (text: string, stagesBefore: number): boolean => /^\d{1,4}$/.test(text) && Number(text) < stagesBefore;

/** Only what lies in the source. */
function checkAdd(line: Line, words: string, mark: string): void {
  const { flags, rest } = flagsOf(line, words, mark);
  if (flags.some((flag) => flag.startsWith("--from"))) throw refused(line, "only COPY has --from.");
  for (const source of sourcesOf(line, rest)) {
    if (/^\s*[a-z][a-z0-9+.-]*:\/\//i.test(source) || /^\s*(git@|github\.com\/)/i.test(source))
      throw refused(
        line,
        `${shown(source)} is not in the source, and is not fetched. Put the file there, or fetch it with RUN (curl, wget).`,
      );
    if (/[$"'\\`]/.test(source))
      throw refused(
        line,
        `${shown(source)}: what is added is written without variables and quotation marks. COPY may have them.`,
      );
  }
}

/** All but the last word. */
function sourcesOf(line: Line, rest: string): string[] {
  if (!rest.trimStart().startsWith("[")) return rest.split(/[ \t]+/).slice(0, -1);
  let list: unknown;
  try {
    list = JSON.parse(rest);
  } catch {
    throw refused(line, "it begins with [, but is no list in JSON.");
  }
  if (!Array.isArray(list) || !list.every((each) => typeof each === "string"))
    throw refused(line, "it begins with [, but is no list of texts.");
  return list.slice(0, -1);
}

function checkTrigger(words: string, line: Line, mark: string): void {
  if (oddSpace.test(words) || words.includes("\n"))
    throw refused(line, "it has a space in it that is none of the usual ones. Write it with plain spaces.");
  const [, name = "", rest = ""] = /^([^ \t]+)[ \t]*([\s\S]*)$/.exec(words.trim()) ?? [];
  const inner = { ...line, name: `ONBUILD ${name.toUpperCase()}` };
  if (!known.has(name.toUpperCase()) || ["ONBUILD", "FROM", "MAINTAINER"].includes(name.toUpperCase()))
    throw refused(inner, "this cannot come after ONBUILD.");
  if (name.toUpperCase() === "ADD") checkAdd(inner, rest, mark);
  if (name.toUpperCase() === "COPY" && flagsOf(inner, rest, mark).flags.some((flag) => flag.startsWith("--from")))
    throw refused(inner, "--from cannot be in what other images do later.");
}
