import { z } from "zod";
import type { Contract, RouteDefinition } from "../contract.ts";
import { type ErrorCode, errorCodes } from "../errors.ts";
import { httpErrors } from "./errors.ts";

type Json = Record<string, unknown>;
type Direction = "input" | "output";

export interface OpenApiDocument extends Json {
  openapi: string;
  paths: Record<string, Record<string, Json>>;
  components: Record<string, Record<string, Json>>;
}

export interface OpenApiOptions {
  version: string;
  /** Schemas that get a name of their own in the document, under their names in the code. */
  schemas?: Record<string, z.ZodType>;
}

/** What any route may answer without saying so (see RouteDefinition.errors). */
const errorsOfAll: readonly ErrorCode[] = ["invalid_argument", "unauthenticated", "permission_denied", "internal", "unavailable"];

/** What each code means, for the reference. */
export const errorMeanings: Record<ErrorCode, string> = {
  invalid_argument: "Something in the request is not valid; `fields` says what.",
  unauthenticated: "The caller is not signed in.",
  permission_denied: "The caller's roles do not allow it.",
  not_found: "It does not exist, or the caller may not know of it.",
  already_exists: "The name is taken.",
  conflict: "Somebody else changed it at the same time.",
  failed_precondition: "Its present state does not allow it; `reason` says why.",
  precondition_failed: "It has changed since (If-Match), or exists already (If-None-Match).",
  quota_exceeded: "It would go beyond a quota.",
  rate_limited: "Too many requests; `retryAfterSeconds` says how long to wait.",
  payload_too_large: "The body is too large.",
  range_not_satisfiable: "The range lies outside of the content.",
  storage_full: "The cloud has no room left.",
  unavailable: "The cloud is not available right now; try again.",
  deadline_exceeded: "It took too long.",
  cancelled: "It was cancelled.",
  not_implemented: "The cloud cannot do this.",
  internal: "Something went wrong inside the cloud; the log has it under `requestId`.",
};

const problem = {
  type: "object",
  description: "A problem document (RFC 9457).",
  properties: {
    type: { type: "string", description: "A URI reference that names the kind of problem." },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string", description: "What is wrong and what to do, for people." },
    code: { type: "string", enum: [...errorCodes] },
    reason: { type: "string", description: "A finer, stable reason inside the code." },
    requestId: { type: "string", description: "Find the request in the cloud's log by it." },
    retryAfterSeconds: { type: "number" },
    fields: {
      type: "array",
      items: {
        type: "object",
        properties: { path: { type: "string" }, message: { type: "string" } },
        required: ["path", "message"],
      },
    },
  },
  required: ["type", "title", "status", "code"],
};

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

/** Turns zod schemas into JSON Schema; those with a name become components, once per direction where that differs. */
class SchemaWriter {
  readonly components: Record<string, Json> = {};
  private readonly names = new Map<unknown, string>();

  constructor(schemas: Record<string, z.ZodType>) {
    for (const [name, schema] of Object.entries(schemas)) this.names.set(schema, capital(name));
  }

  write(schema: z.ZodType, io: Direction): Json {
    const names = this.names;
    // Descriptions live in zod's global registry; the names are laid over it, for this document only.
    const metadata = Object.create(z.globalRegistry, {
      get: {
        value: (one: z.ZodType) => {
          const { id: _, ...meta } = (z.globalRegistry.get(one) ?? {}) as Json;
          const id = names.get(one);
          return id === undefined ? meta : { ...meta, id };
        },
      },
      has: { value: () => true },
    }) as typeof z.globalRegistry;
    const written = z.toJSONSchema(schema, {
      io,
      metadata,
      unrepresentable: "any",
      override: ({ zodSchema, jsonSchema }) => {
        // A client must bear new fields in answers, so the answers do not rule them out.
        if (io === "output" && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
        // `format` says it; the pattern of zod takes six lines.
        if (jsonSchema.format === "date-time") delete jsonSchema.pattern;
        if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
        if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
        // z.stringbool() reads "true" and "false"; zod can only tell that it is a string.
        const pipe = zodSchema._zod.def as { type: string; in?: z.ZodType; out?: z.ZodType };
        if (io === "input" && pipe.type === "pipe" && pipe.in?._zod.def.type === "string" && outputsBoolean(pipe.out)) {
          delete jsonSchema.enum;
          jsonSchema.type = "boolean";
        }
      },
    }) as Json;
    const { $schema: _, $defs, ...root } = written;
    const renamed: Record<string, string> = {};
    for (const [name, definition] of Object.entries(($defs ?? {}) as Record<string, Json>)) {
      const same = this.components[name] === undefined || sameJson(this.components[name], this.pointed(definition, renamed));
      renamed[name] = same ? name : `${name}${capital(io)}`;
      this.components[renamed[name]] = this.pointed(definition, renamed);
    }
    return this.pointed(root, renamed);
  }

  /** A copy whose references point into the document's components. */
  private pointed<T>(value: T, renamed: Record<string, string>): T {
    if (Array.isArray(value)) return value.map((one) => this.pointed(one, renamed)) as T;
    if (typeof value !== "object" || value === null) return value;
    const copy: Json = {};
    for (const [key, inner] of Object.entries(value)) {
      const name = key === "$ref" && typeof inner === "string" ? /^#\/\$defs\/(.+)$/.exec(inner)?.[1] : undefined;
      copy[key] = name === undefined ? this.pointed(inner, renamed) : `#/components/schemas/${renamed[name] ?? name}`;
    }
    return copy as T;
  }
}

const sameJson = (a: Json, b: Json): boolean => JSON.stringify(a) === JSON.stringify(b);

function outputsBoolean(schema: z.ZodType | undefined): boolean {
  const def = schema?._zod.def as { type: string; in?: z.ZodType; out?: z.ZodType } | undefined;
  return def?.type === "boolean" || (def?.type === "pipe" && outputsBoolean(def.out));
}

function hasRevision(schema: z.ZodType | undefined): boolean {
  return schema instanceof z.ZodObject && "revision" in schema.shape;
}

function parameters(route: RouteDefinition, schemas: SchemaWriter): Json[] {
  const list: Json[] = [];
  for (const [place, object] of [
    ["path", route.params],
    ["query", route.query],
  ] as const) {
    if (!object) continue;
    const { properties = {}, required = [] } = schemas.write(object, "input") as {
      properties?: Record<string, Json>;
      required?: string[];
    };
    for (const [name, { description, ...schema }] of Object.entries(properties)) {
      list.push({
        name,
        in: place,
        required: place === "path" || required.includes(name),
        ...(description !== undefined && { description }),
        schema,
      });
    }
  }
  if (route.method === "POST") list.push({ $ref: "#/components/parameters/IdempotencyKey" });
  if (["PUT", "PATCH", "DELETE"].includes(route.method) && route.errors?.includes("precondition_failed") && !route.stream) {
    list.push({ $ref: "#/components/parameters/IfMatch" });
  }
  if (route.stream?.request === "bytes" && route.errors?.includes("precondition_failed")) {
    list.push({ $ref: "#/components/parameters/IfNoneMatch" });
  }
  if (route.stream?.response === "bytes") list.push({ $ref: "#/components/parameters/Range" });
  if (route.stream?.response === "events") list.push({ $ref: "#/components/parameters/LastEventId" });
  return list;
}

function requestBody(route: RouteDefinition, schemas: SchemaWriter): Json | undefined {
  if (route.stream?.request === "bytes") {
    return { required: true, content: { "application/octet-stream": { schema: {} } } };
  }
  if (!route.body) return undefined;
  return { required: true, content: { "application/json": { schema: schemas.write(route.body, "input") } } };
}

function success(route: RouteDefinition, schemas: SchemaWriter): Record<string, Json> {
  if (route.stream?.response === "events") {
    const schema = { type: "string", description: "Server-sent events: `event` is the type, `data` the payload as JSON." };
    return { 200: { description: "Events, as they happen.", content: { "text/event-stream": { schema } } } };
  }
  if (route.stream?.response === "socket") {
    return {
      101: { description: "It is a WebSocket now." },
      426: {
        description: "All is well, but the request did not ask for a WebSocket.",
        content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    };
  }
  if (route.stream?.response === "bytes") {
    const content = { "application/octet-stream": { schema: {} } };
    return { 200: { description: "The bytes.", content }, 206: { description: "The range that was asked for.", content } };
  }
  if (!route.response) return { 204: { description: "Done." } };
  const status = route.status ?? 200;
  const headers: Json = {};
  if (hasRevision(route.response)) headers["ETag"] = { $ref: "#/components/headers/ETag" };
  if (status === 202) headers["Location"] = { description: "Where the operation can be followed.", schema: { type: "string" } };
  const schema = schemas.write(route.response, "output");
  return {
    [status]: {
      description: status === 202 ? "It has begun; follow the operation." : status === 201 ? "Made." : "Done.",
      ...(Object.keys(headers).length > 0 && { headers }),
      content: { "application/json": { schema } },
    },
  };
}

const pascal = (code: string): string => code.split("_").map(capital).join("");

/** One answer per status, shared by the routes that answer the same; the codes of that status are listed with what they mean. */
function failures(route: RouteDefinition, shared: Record<string, Json>): Record<string, Json> {
  const codes = new Set<ErrorCode>([...errorsOfAll, ...(route.errors ?? [])]);
  if (route.permission === "public") codes.delete("permission_denied");
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) byStatus.set(httpErrors[code].status, [...(byStatus.get(httpErrors[code].status) ?? []), code]);
  return Object.fromEntries(
    [...byStatus].map(([status, list]) => {
      const name = list.map(pascal).sort().join("Or");
      shared[name] ??= {
        description: list.map((code) => `\`${code}\`: ${errorMeanings[code]}`).join("\n\n"),
        content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      };
      return [status, { $ref: `#/components/responses/${name}` }];
    }),
  );
}

function operation(key: string, route: RouteDefinition, tag: string, schemas: SchemaWriter, failing: Record<string, Json>): Json {
  const body = requestBody(route, schemas);
  const list = parameters(route, schemas);
  return {
    operationId: key,
    tags: [tag],
    summary: route.summary,
    ...(route.description !== undefined && { description: route.description }),
    ...(list.length > 0 && { parameters: list }),
    ...(body && { requestBody: body }),
    responses: { ...success(route, schemas), ...failures(route, failing) },
    ...(route.permission === "public" && { security: [] }),
    "x-khmara-permission": route.permission,
    ...(route.roles && { "x-khmara-roles": [...route.roles] }),
  };
}

const sorted = (object: Record<string, Json>): Record<string, Json> =>
  Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));

/** The OpenAPI 3.1 description of everything that the contracts declare. */
export function openApiDocument(contracts: readonly Contract[], options: OpenApiOptions): OpenApiDocument {
  const schemas = new SchemaWriter(options.schemas ?? {});
  const failing: Record<string, Json> = {};
  const paths: OpenApiDocument["paths"] = {};
  for (const contract of contracts) {
    for (const [key, route] of Object.entries(contract.routes) as [string, RouteDefinition][]) {
      const path = `/api${route.path}`;
      paths[path] ??= {};
      paths[path][route.method.toLowerCase()] = operation(key, route, contract.name, schemas, failing);
    }
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "Khmara",
      version: options.version,
      description:
        "The API of the Khmara cloud. Everything that a person can do in the console is one call here.\n\n" +
        "Programs send an API token (`Authorization: Bearer …`); browsers use the session cookie, with the header " +
        "`X-Khmara-CSRF: 1` on everything but GET. Lists answer in pages: give `nextCursor` as `cursor` for the next one. " +
        "Long work answers 202 with an operation to follow. Errors are problem documents (RFC 9457) with a `code` for programs.",
      license: { name: "AGPL-3.0-or-later", identifier: "AGPL-3.0-or-later" },
    },
    servers: [{ url: "/" }],
    tags: contracts.map((contract) => ({ name: contract.name, "x-displayName": contract.title, description: contract.title })),
    security: [{ token: [] }, { session: [] }],
    paths,
    components: {
      schemas: {
        ...sorted(schemas.components),
        Problem: problem,
      },
      responses: sorted(failing),
      parameters: {
        IdempotencyKey: {
          name: "Idempotency-Key",
          in: "header",
          description: "The same key with the same request gives the first answer again, instead of doing it twice.",
          schema: { type: "string", maxLength: 255 },
        },
        IfMatch: {
          name: "If-Match",
          in: "header",
          description: "The ETag that was seen: the change is refused when something else changed it since.",
          schema: { type: "string" },
        },
        IfNoneMatch: {
          name: "If-None-Match",
          in: "header",
          description: "`*` keeps what is already there.",
          schema: { type: "string" },
        },
        Range: { name: "Range", in: "header", description: "A range of bytes: `bytes=0-1023`.", schema: { type: "string" } },
        LastEventId: {
          name: "Last-Event-ID",
          in: "header",
          description: "The last event that was seen: what came after it is sent first.",
          schema: { type: "string" },
        },
      },
      headers: { ETag: { description: "The revision, for If-Match.", schema: { type: "string" } } },
      securitySchemes: {
        token: { type: "http", scheme: "bearer", description: "An API token." },
        session: { type: "apiKey", in: "cookie", name: "khmara_session", description: "The cookie of a signed-in browser." },
      },
    },
  };
}
