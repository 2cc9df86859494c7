/**
 * A look at a person's own Dockerfile (Dockerfile reference, "Format"): enough to say beforehand what the builder would say after minutes,
 * and what is unwise. It is built unchanged.
 */

export interface Lint {
  /** It cannot be built here. */
  errors: string[];
  warnings: string[];
  /** The images that it begins with. */
  bases: string[];
}

interface Instruction {
  line: number;
  name: string;
  words: string;
}

interface Stage {
  image: string;
  name: string | undefined;
  instructions: Instruction[];
}

/** Logical lines: continued ones joined, notes left out. */
function instructionsOf(text: string): Instruction[] {
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  const continued = /^#\s*escape\s*=\s*`/im.test(lines.slice(0, 3).join("\n")) ? "`" : "\\";
  const instructions: Instruction[] = [];
  let joined = "";
  let first = 0;
  for (const [index, line] of lines.entries()) {
    if (/^\s*#/.test(line) || (joined !== "" && line.trim() === "")) continue;
    if (joined === "") first = index + 1;
    const trimmed = line.trimEnd();
    if (trimmed.endsWith(continued)) {
      joined += `${trimmed.slice(0, -1)} `;
      continue;
    }
    const whole = (joined + trimmed).trim();
    joined = "";
    if (whole === "") continue;
    const [, name = "", words = ""] = /^(\S+)\s*([\s\S]*)$/.exec(whole) ?? [];
    instructions.push({ line: first, name: name.toUpperCase(), words });
  }
  if (joined.trim() !== "")
    instructions.push({ line: first, name: joined.trim().split(/\s/)[0]?.toUpperCase() ?? "", words: joined });
  return instructions;
}

function stagesOf(text: string): { before: Instruction[]; stages: Stage[] } {
  const before: Instruction[] = [];
  const stages: Stage[] = [];
  for (const each of instructionsOf(text)) {
    const stage = stages.at(-1);
    if (each.name === "FROM") {
      const words = each.words.split(/\s+/).filter((word) => !word.startsWith("--"));
      stages.push({ image: words[0] ?? "", name: words[1]?.toUpperCase() === "AS" ? words[2] : undefined, instructions: [each] });
    } else if (stage) stage.instructions.push(each);
    else before.push(each);
  }
  return { before, stages };
}

const known = new Set(
  "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER VOLUME WORKDIR".split(
    " ",
  ),
);
const secret = /(PASSWORD|PASSWD|SECRET|TOKEN|PRIVATE_?KEY|API_?KEY)/i;

export function lintDockerfile(text: string, target?: string): Lint {
  const errors: string[] = [];
  const warnings: string[] = [];
  const { before, stages } = stagesOf(text);
  const names = new Set(stages.map(({ name }) => name?.toLowerCase()).filter((name) => name !== undefined));
  if (stages.length === 0) errors.push("It has no FROM. Begin with one, such as FROM base.khmara.internal/node:24.");
  if (before.some(({ name }) => name !== "ARG"))
    errors.push(`Line ${before.find(({ name }) => name !== "ARG")?.line}: only ARG may stand before FROM.`);
  if (target !== undefined && !names.has(target.toLowerCase())) errors.push(`There is no stage ${target} (FROM … AS ${target}).`);
  for (const { line, name, words } of stages.flatMap(({ instructions }) => instructions)) {
    if (!known.has(name)) errors.push(`Line ${line}: there is no instruction ${name.slice(0, 30)}.`);
    const buildKit = buildKitOnly(name, words);
    if (buildKit !== undefined) errors.push(`Line ${line}: ${buildKit}`);
    if ((name === "ENV" || name === "ARG") && secret.test(words.split(/[=\s]/)[0] ?? "") && /[=\s]\S/.test(words))
      warnings.push(
        `Line ${line}: ${name} ${words.split(/[=\s]/)[0]} looks like a secret, and would be in the image for all to read. Put it into the settings of the app.`,
      );
    if (name === "ADD" && /https?:\/\//.test(words))
      warnings.push(`Line ${line}: ADD fetches without a checksum; what it gets may change.`);
    if (name === "FROM") {
      const image = words.split(/\s+/).find((word) => !word.startsWith("--")) ?? "";
      const isStage = names.has(image.toLowerCase()) || image === "scratch" || image.includes("$");
      if (!isStage && !image.includes("@") && !/:[^/]+$/.test(image))
        warnings.push(`Line ${line}: ${image} has no version, so each build may get another.`);
      else if (/:latest$/.test(image)) warnings.push(`Line ${line}: ${image} is another image each time. Name a version.`);
    }
  }
  const last = finalStage(stages, target);
  if (last) {
    const user = userOf(last, stages);
    if (user === undefined) warnings.push("It has no USER, so the app may run as root. Add one, such as USER 10001.");
    else if (/^(root|0)(:|$)/.test(user)) warnings.push("Its last USER is root. End with another one, such as USER 10001.");
  }
  const bases = [...new Set(stages.map(({ image }) => image))].filter((image) => !names.has(image.toLowerCase()));
  return { errors, warnings, bases };
}

function buildKitOnly(name: string, words: string): string | undefined {
  if (name === "RUN" && /^--(mount|network|security)\b/.test(words))
    return `RUN ${words.split(/[=\s]/)[0]} needs BuildKit, which is not used here. Take it out.`;
  if ((name === "COPY" || name === "ADD") && /(^|\s)--(link|parents|exclude|checksum|keep-git-dir)\b/.test(words))
    return `${name} ${/--\w[\w-]*/.exec(words.replace(/--(chown|from)=\S+/g, ""))?.[0]} needs BuildKit, which is not used here. Take it out.`;
  if (["RUN", "COPY", "ADD"].includes(name) && /(^|\s)<<-?["']?[A-Za-z_]\w*["']?\s*$/.test(words) && !/^\[/.test(words))
    return `${name} with <<… needs BuildKit, which is not used here. Write the commands with && and \\, or copy a file.`;
  return undefined;
}

const finalStage = (stages: Stage[], target: string | undefined): Stage | undefined =>
  target === undefined ? stages.at(-1) : stages.find(({ name }) => name?.toLowerCase() === target.toLowerCase());

/** With what it takes over from the stage that it begins with. */
function userOf(stage: Stage, stages: Stage[], depth = 0): string | undefined {
  const own = stage.instructions.findLast(({ name }) => name === "USER")?.words.trim();
  if (own !== undefined || depth > 20) return own;
  if (stage.image.startsWith("base.khmara.internal/")) return "app";
  const above = stages.slice(0, stages.indexOf(stage)).find(({ name }) => name?.toLowerCase() === stage.image.toLowerCase());
  return above && userOf(above, stages, depth + 1);
}

/** The first TCP port that its last stage names. */
export function exposedPort(text: string, target?: string): number | undefined {
  const stage = finalStage(stagesOf(text).stages, target);
  for (const { name, words } of stage?.instructions ?? []) {
    if (name !== "EXPOSE") continue;
    const port = words
      .split(/\s+/)
      .map((word) => /^(\d{1,5})(\/tcp)?$/.exec(word)?.[1])
      .find((each) => each !== undefined);
    if (port !== undefined && Number(port) >= 1 && Number(port) <= 65_535) return Number(port);
  }
  return undefined;
}
