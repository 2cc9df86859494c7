/**
 * Templates of the catalogue: a folder each in `templates/`, with `template.json` and, of those that are built here, a folder `source`. What a template says
 * is facts about somebody's application, checked here and by a test over all of them.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { slug } from "../../../kernel/contract.ts";
import { readManifest } from "../building/manifest.ts";
import { capability, processName, runUser, settingName } from "../deploying/contract.ts";
import { templateCategories } from "./contract.ts";

/** The same in each language of the console. */
const words = (most: number) => {
  const text = z
    .string()
    .min(1)
    .max(most)
    .refine((each) => each.trim() === each, "has spaces around it");
  return z.strictObject({ en: text, fr: text, uk: text });
};

/** What a fixed value may name in double braces. */
export const placeholders = ["url", "host", "name"] as const;

const value = z.string().max(4096);
const choice = z.strictObject({ value: value.min(1), label: words(80) });

/** A variable of the app's environment. */
const setting = z.discriminatedUnion("kind", [
  /** The same for all: nobody is asked. It may have placeholders. */
  z.strictObject({ kind: z.literal("fixed"), value: value.min(1), secret: z.boolean().default(false) }),
  /** Made at random, so many letters and digits; kept sealed. */
  z.strictObject({ kind: z.literal("generated"), length: z.int().min(16).max(128).default(48) }),
  /** What a person is asked. */
  z.strictObject({
    kind: z.enum(["text", "email", "password"]),
    label: words(80),
    help: words(300).optional(),
    value: value.min(1).optional(),
    required: z.boolean().default(false),
    minimum: z.int().min(1).max(128).optional(),
  }),
  z.strictObject({
    kind: z.literal("choice"),
    label: words(80),
    help: words(300).optional(),
    choices: z.array(choice).min(2).max(30),
    value,
  }),
]);
export type TemplateSetting = z.output<typeof setting>;

const webPath = z.string().regex(/^\/[^\s]*$/, "begins with /");
const process = z.strictObject({
  command: z.string().min(1).max(4096).optional(),
  memoryMegabytes: z.int().min(32).max(65_536),
  cpus: z.number().min(0.05).max(64).optional(),
});

export const templateSchema = z
  .strictObject({
    id: slug,
    name: z.string().min(1).max(60),
    /** One sentence. */
    description: words(160),
    category: z.enum(templateCategories),
    /** Letters on a colour: nobody's trademark. */
    icon: z.strictObject({ letters: z.string().regex(/^\p{Lu}\p{Ll}?$/u), hue: z.int().min(0).max(359) }),
    /** Absent: it is ours. */
    homepage: z.url({ protocol: /^https$/ }).optional(),
    documentation: z.url({ protocol: /^https$/ }).optional(),
    /** SPDX. */
    licence: z.string().regex(/^[A-Za-z0-9.+-]+$/),
    /** Of what is installed. Another one is an update. */
    version: z.string().regex(/^[0-9A-Za-z][0-9A-Za-z.-]{0,30}$/),
    /** A public image with its registry and tag, as it runs. Absent: the folder `source` is built, and its khmara.json says the same. */
    image: z
      .strictObject({
        reference: z
          .string()
          .regex(
            /^[a-z0-9.-]+\.[a-z]{2,}\/[a-z0-9._/-]+:[A-Za-z0-9._-]+$/,
            "has a registry and a tag, such as docker.io/library/nginx:1.29",
          )
          .refine((text) => !text.endsWith(":latest"), "names a version: what latest is changes unseen"),
        port: z.int().min(1).max(65_535),
        health: z.strictObject({ path: webPath.optional(), startSeconds: z.int().min(1).max(900).default(60) }),
        processes: z.record(processName, process).refine((all) => "web" in all, "has a process web"),
        capabilities: z.array(capability).default([]),
        user: runUser.optional(),
      })
      .optional(),
    disks: z
      .array(z.strictObject({ name: slug, path: z.string().regex(/^(\/[A-Za-z0-9._-]+)+$/), text: words(120) }))
      .max(5)
      .default([]),
    /** A managed PostgreSQL of its own: the app finds it by DATABASE_URL. */
    database: z
      .strictObject({ memoryMegabytes: z.int().min(256).default(256), diskGigabytes: z.int().min(1).default(5) })
      .optional(),
    settings: z.record(settingName, setting).default({}),
    /** What to do once it runs, a step each. Placeholders `url`, `host`, `name`, and `{{setting.NAME}}` of those that are no secrets. */
    firstSteps: z.array(words(400)).min(1).max(8),
    /** What changes with this version, for those that have an earlier one. */
    updateNotes: words(600).optional(),
  })
  .superRefine((template, context) => {
    const issue = (path: (string | number)[], message: string) => context.addIssue({ code: "custom", path, message });
    for (const [name, { kind, ...rest }] of Object.entries(template.settings)) {
      if (name === "PORT") issue(["settings", name], "is set by Khmara");
      if (kind === "choice") {
        const { choices, value: chosen } = rest as { choices: { value: string }[]; value: string };
        if (!choices.some((each) => each.value === chosen)) issue(["settings", name, "value"], "is none of its choices");
      }
      if (kind === "fixed")
        for (const each of placeholdersIn((rest as { value: string }).value)) {
          if (!(placeholders as readonly string[]).includes(each))
            issue(["settings", name], `names {{${each}}}, which is nothing`);
        }
    }
    for (const [at, step] of template.firstSteps.entries())
      for (const text of Object.values(step))
        for (const each of placeholdersIn(text)) {
          const named = /^setting\.(.+)$/.exec(each)?.[1];
          const of = named === undefined ? undefined : template.settings[named];
          const shown = of !== undefined && of.kind !== "password" && of.kind !== "generated";
          if (!(named === undefined ? (placeholders as readonly string[]).includes(each) : shown))
            issue(["firstSteps", at], `names {{${each}}}, which cannot be told`);
        }
  });
export type TemplateFile = z.output<typeof templateSchema>;

/** As it lies in the repository, with where its source is. */
export interface Template extends TemplateFile {
  /** Of those that are built here. */
  source?: string | undefined;
}

export interface Templates {
  /** By name. */
  list(): Promise<readonly Template[]>;
  find(id: string): Promise<Template | undefined>;
}

export const placeholdersIn = (text: string): string[] =>
  [...text.matchAll(/\{\{([^{}]*)\}\}/g)].map(([, name]) => (name as string).trim());

/** Unknown ones are an error of the template, which its test would have found. */
export const fillIn = (text: string, values: Readonly<Record<string, string | undefined>>): string =>
  text.replace(/\{\{([^{}]*)\}\}/g, (_, name: string) => {
    const found = values[name.trim()];
    if (found === undefined) throw new Error(`The template names {{${name}}}, which is not known here.`);
    return found;
  });

export const ownTemplates = fileURLToPath(new URL("./templates/", import.meta.url));

/** Throws with the file and the problem: a template that is wrong is never shown. */
export async function readTemplate(folder: string): Promise<Template> {
  const file = join(folder, "template.json");
  const parsed = templateSchema.safeParse(JSON.parse(await readFile(file, "utf8")));
  if (!parsed.success) {
    const said = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
    throw new Error(`${file}: ${said.join("; ")}`);
  }
  const template = parsed.data;
  if (template.image) return template;
  const source = join(folder, "source");
  await stat(source);
  // What it runs with is said there, as of any app.
  const manifest = readManifest(await readFile(join(source, "khmara.json"), "utf8"));
  const mounts = new Map((manifest.mounts ?? []).map(({ name, path }) => [name, path]));
  const told = new Map(template.disks.map(({ name, path }) => [name, path]));
  if (mounts.size !== told.size || [...told].some(([name, path]) => mounts.get(name) !== path))
    throw new Error(`${file}: its disks are not those of source/khmara.json`);
  return { ...template, source };
}

/** Ours are read once: they change with Khmara itself. */
export function openTemplates(folder: string = ownTemplates): Templates {
  let kept: Promise<Template[]> | undefined;
  const read = async (): Promise<Template[]> => {
    const names = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map(({ name }) => name);
    const templates = await Promise.all(names.map((name) => readTemplate(join(folder, name))));
    return templates.sort((one, other) => (one.id < other.id ? -1 : 1));
  };
  const list = (): Promise<Template[]> => {
    if (folder !== ownTemplates) return read();
    kept ??= read();
    kept.catch(() => {
      kept = undefined;
    });
    return kept;
  };
  return { list, find: async (id) => (await list()).find((each) => each.id === id) };
}
