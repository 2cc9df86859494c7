/**
 * `khmara.json`: what a person says about the app, which goes before anything that is found out. Unknown fields are refused, so that a
 * slip of the pen is seen.
 */
import { z } from "zod";
import { isTimeZone, wrongWith } from "../../../kernel/cron.ts";
import { CloudError, type FieldProblem } from "../../../kernel/errors.ts";
import { cronConcurrency, cronTimeoutSeconds } from "../cron/contract.ts";
import { capability, firstScale, runUser } from "../deploying/contract.ts";
import { linkKind, linkPrefix } from "../linking/contract.ts";
import { planKinds } from "./plan.ts";

export const manifestFile = "khmara.json";

const command = z
  .string()
  .min(1, "say which command to run")
  .max(4096, "at most 4096 characters")
  .refine((text) => !text.includes("\0"), "must not have a null character");

const relativePath = z
  .string()
  .min(1)
  .max(500)
  .refine(
    (path) => !path.startsWith("/") && !path.split("/").includes("..") && !/[\p{Cc}\\]/u.test(path),
    "is a path inside your source, such as web/dist",
  )
  .transform((path) =>
    path
      .split("/")
      .filter((part) => part !== "" && part !== ".")
      .join("/"),
  );

const processName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,30}$/, "names are small letters, digits and hyphens, such as web or mail-worker");
const settingName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "names are letters, digits and underscores, such as LOG_LEVEL");
const packageName = z.string().regex(/^[a-z0-9][a-z0-9+.-]{1,80}$/, "is the name of a Debian package, such as imagemagick");
const oneLine = (most: number) =>
  z
    .string()
    .max(most)
    .refine((text) => !/[\p{Cc}]/u.test(text), "is one line of text");

const webPath = oneLine(500).regex(/^\/[^\s]*$/, "begins with /, such as /health");

const schedule = z.string().superRefine((text, context) => {
  const wrong = wrongWith(text);
  if (wrong !== undefined) context.addIssue({ code: "custom", message: wrong });
});

const isSecret = /(PASSWORD|PASSWD|SECRET|TOKEN|PRIVATE_?KEY|API_?KEY|CREDENTIALS?)$/i;

const setting = z.union([
  oneLine(4096).transform((value) => ({ value })),
  z.strictObject({
    value: oneLine(4096).optional(),
    description: oneLine(500).optional(),
    required: z.boolean().optional(),
    generate: z.literal("secret").optional(),
  }),
]);

export const manifestSchema = z.strictObject({
  $schema: z.string().optional(),
  name: oneLine(100).optional(),
  runtime: z.enum(planKinds).optional(),
  version: z
    .union([z.string(), z.number()])
    .transform(String)
    .pipe(z.string().regex(/^[0-9]+(\.[0-9]+)*$/, "is a version, such as 24 or 3.13"))
    .optional(),
  packages: z.array(packageName).max(100).optional(),
  buildPackages: z.array(packageName).max(100).optional(),
  build: z
    .strictObject({
      install: command.optional(),
      command: command.optional(),
      dockerfile: relativePath.optional(),
      target: z
        .string()
        .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, "is the name of a stage (FROM … AS name)")
        .optional(),
      arguments: z.record(settingName, oneLine(4096)).optional(),
      environment: z.record(settingName, oneLine(4096)).optional(),
    })
    .optional(),
  processes: z
    .record(
      processName,
      z.union([
        command,
        z.strictObject({
          command: command.optional(),
          count: firstScale.count,
          memoryMegabytes: z.int().min(32).max(1_048_576).optional(),
          cpus: firstScale.cpus,
        }),
      ]),
    )
    .optional(),
  capabilities: z.array(capability).max(capability.options.length).optional(),
  user: runUser.optional(),
  links: z
    .array(z.strictObject({ kind: linkKind, prefix: linkPrefix.optional() }))
    .max(20)
    .optional(),
  release: command.optional(),
  port: z.int().min(1, "is between 1 and 65535").max(65535, "is between 1 and 65535").optional(),
  health: z
    .strictObject({
      path: webPath.optional(),
      intervalSeconds: z.int().min(1).max(300).optional(),
      timeoutSeconds: z.int().min(1).max(60).optional(),
      startSeconds: z.int().min(1).max(900).optional(),
    })
    .optional(),
  static: z
    .strictObject({
      folder: relativePath.optional(),
      fallback: relativePath.optional(),
      notFound: relativePath.optional(),
    })
    .optional(),
  mounts: z
    .array(
      z.strictObject({
        name: processName,
        path: z
          .string()
          .regex(/^(\/[A-Za-z0-9._-]+)+$/, "is an absolute path, such as /data")
          .refine(
            (path) => !/^\/(bin|boot|cache|dev|etc|lib|lib64|proc|run|sbin|sys|usr)(\/|$)/.test(path) && path !== "/app",
            "may not hide the system or the app itself; take /data or a folder below /app",
          )
          .refine((path) => !path.split("/").some((part) => part === "." || part === ".."), "has no . or .. in it"),
        sizeGigabytes: z.int().min(1).max(16_384).default(1),
      }),
    )
    .max(10)
    .optional(),
  cron: z
    .array(
      z.strictObject({
        name: processName.optional(),
        schedule,
        timeZone: z.string().refine(isTimeZone, "is a time zone, such as Europe/Kyiv").optional(),
        command,
        timeoutSeconds: cronTimeoutSeconds.optional(),
        concurrency: cronConcurrency.optional(),
      }),
    )
    .max(100)
    .optional(),
  settings: z
    .record(settingName, setting)
    .superRefine((all, context) => {
      for (const [name, { value }] of Object.entries(all))
        if (value !== undefined && value !== "" && isSecret.test(name))
          context.addIssue({
            code: "custom",
            path: [name],
            message:
              'looks like a secret, which does not belong into the source; write {"required": true} or {"generate": "secret"}',
          });
      if ("PORT" in all)
        context.addIssue({ code: "custom", path: ["PORT"], message: 'is set by Khmara; write "port" at the top' });
    })
    .optional(),
});

export type Manifest = z.output<typeof manifestSchema>;

/** Throws invalid_argument; every problem is in `details.fields` (`khmara.json.port`) and in the message. */
export function readManifest(text: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw problems([{ path: "", message: `is no JSON (${(error as Error).message})` }]);
  }
  const result = manifestSchema.safeParse(value);
  if (result.success) return result.data;
  throw problems(result.error.issues.flatMap((issue) => fieldsOf(issue, [])));
}

function problems(fields: FieldProblem[]): CloudError {
  const shown = fields.slice(0, 10);
  const words = shown.map(({ path, message }) => `${path === "" ? "" : `${path}: `}${message}`).join("; ");
  return new CloudError("invalid_argument", `${manifestFile}: ${words}.`, {
    details: {
      fields: shown.map(({ path, message }) => ({ path: path === "" ? manifestFile : `${manifestFile}.${path}`, message })),
    },
  });
}

type Issue = z.core.$ZodIssue;

function fieldsOf(issue: Issue, above: PropertyKey[]): FieldProblem[] {
  const at = [...above, ...issue.path];
  const path = at.map(String).join(".");
  const allowed = keysAt(manifestSchema, at);
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({
        path: [...at, key].map(String).join("."),
        message: `is not known here${allowed.length > 0 ? `; allowed are ${allowed.join(", ")}` : ""}`,
      }));
    case "invalid_union": {
      // The branch that fits the kind of the value says what is wrong inside of it.
      const inner = issue.errors.find((errors) =>
        errors.some((each) => each.path.length > 0 || each.code === "unrecognized_keys"),
      );
      if (inner) return inner.flatMap((each) => fieldsOf(each, at));
      const messages = issue.errors.flat().map((each) => fieldsOf(each, at)[0]?.message ?? each.message);
      return [{ path, message: [...new Set(messages)].join(", or ") }];
    }
    case "invalid_value":
      return [{ path, message: `is one of ${issue.values.map(String).join(", ")}` }];
    case "invalid_key":
      return [{ path, message: issue.issues[0]?.message ?? "is no name that is allowed here" }];
    case "invalid_type":
      return [{ path, message: `must be ${kinds[issue.expected] ?? issue.expected}` }];
    case "too_big":
    case "too_small":
      return [{ path, message: /^Too (big|small)/.test(issue.message) ? bounds(issue) : issue.message }];
    default:
      return [{ path, message: issue.message }];
  }
}

const kinds: Record<string, string> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object in braces",
  record: "an object in braces",
};

function bounds(issue: Extract<Issue, { code: "too_big" | "too_small" }>): string {
  const what = issue.origin === "string" ? " characters" : issue.origin === "array" ? " entries" : "";
  return issue.code === "too_big" ? `is at most ${issue.maximum}${what}` : `is at least ${issue.minimum}${what}`;
}

/** The fields of the object at a place of the schema. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: z.ZodType | undefined = plain(schema);
  for (const key of path) {
    if (at instanceof z.ZodObject) at = plain(at.shape[String(key)] as z.ZodType | undefined);
    else if (at instanceof z.ZodRecord) at = plain(at.valueType as z.ZodType);
    else if (at instanceof z.ZodArray) at = plain(at.element as z.ZodType);
    else return [];
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape).filter((key) => key !== "$schema") : [];
}

function plain(schema: z.ZodType | undefined): z.ZodType | undefined {
  let at = schema;
  for (;;) {
    if (at instanceof z.ZodOptional || at instanceof z.ZodDefault) at = at.unwrap() as z.ZodType;
    else if (at instanceof z.ZodUnion) at = (at.options as z.ZodType[]).find((each) => each instanceof z.ZodObject);
    else return at;
  }
}
