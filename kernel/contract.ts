import { z } from "zod";
import type { ErrorCode } from "./errors.ts";

/** The roles a binding can give, at the cloud, an organisation or a project; inherited downward. */
export const roles = ["owner", "admin", "editor", "viewer", "billing"] as const;
export type Role = (typeof roles)[number];

/** What each role holds besides its own: owner ⊃ admin ⊃ editor ⊃ viewer, and admin ⊃ billing. */
export const roleIncludes: Record<Role, readonly Role[]> = {
  owner: ["owner", "admin", "editor", "viewer", "billing"],
  admin: ["admin", "editor", "viewer", "billing"],
  editor: ["editor", "viewer"],
  viewer: ["viewer"],
  billing: ["billing"],
};

/**
 * Who may call a route: "public" needs no sign-in, "self" needs one and touches only the caller's own things,
 * anything else is `<service>.<resource>.<verb>`, checked at the organisation or project of the resource.
 */
export type Permission = "public" | "self" | `${string}.${string}.${string}`;

export interface RouteDefinition {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below /api. Parameters in braces: `/v1/buckets/{bucket}`. */
  path: `/v1/${string}`;
  /** One imperative sentence: the title in the API reference and the help of the CLI verb. */
  summary: string;
  description?: string;
  permission: Permission;
  /** The lowest roles that hold the permission; what includes them holds it too. Absent for public and self. */
  roles?: readonly Role[];
  params?: z.ZodObject;
  query?: z.ZodObject;
  body?: z.ZodObject;
  /** Absent: no body is answered. */
  response?: z.ZodType;
  /** 200 unless said; 204 where there is no response. */
  status?: 200 | 201 | 202 | 204;
  /** Codes beyond those that any route may answer (invalid_argument, unauthenticated, permission_denied, internal, unavailable). */
  errors?: readonly ErrorCode[];
  /**
   * Bodies that are bytes or server-sent events instead of JSON, or a GET that becomes a WebSocket (RFC 6455): its binary messages are
   * bytes, its text messages JSON objects that steer. Present, even empty, the handler runs outside any transaction of the request's.
   */
  stream?: { request?: "bytes"; response?: "bytes" | "events" | "socket" };
  /** False where no CLI verb makes sense (a browser ceremony, say). */
  cli?: false;
}

/** Declares one route: what the router, the API reference, the typed client, the CLI and the authorization test derive from. */
export const route = <const R extends RouteDefinition>(definition: R): R => definition;

/** Every key is `<resource><Verb>` in camel case: `bucketCreate`, `accessKeyList`. */
export type Routes = Record<string, RouteDefinition>;

type Output<S> = S extends z.ZodType ? z.output<S> : Record<string, never>;

/** What a handler receives: validated, defaults filled in. */
export interface RouteInput<R extends RouteDefinition> {
  params: Output<R["params"]>;
  query: Output<R["query"]>;
  body: Output<R["body"]>;
}

/** What a handler returns and a client gets. */
export type RouteResponse<R extends RouteDefinition> = R["response"] extends z.ZodType ? z.output<R["response"]> : undefined;

// An empty object's type has every name, as `never`: merged with another one it would forbid all of that one's.
type Fields<S> = S extends z.ZodType ? (string extends keyof z.input<S> ? unknown : z.input<S>) : unknown;

/** What a caller gives: parameters, query and body merged into one object, as their names never collide (checked). */
export type RouteArguments<R extends RouteDefinition> = Fields<R["params"]> & Fields<R["query"]> & Fields<R["body"]>;

/** One page of a list. `nextCursor` is absent on the last page. */
export interface Page<T> {
  items: T[];
  nextCursor?: string | undefined;
}

export const page = <T extends z.ZodType>(item: T) =>
  z.object({
    items: z.array(item),
    nextCursor: z.string().optional().describe("Give it as `cursor` for the next page; absent on the last one."),
  });

/** The query of every list. */
export const pageQuery = z.object({
  cursor: z.string().max(2048).optional().describe("Where to go on: `nextCursor` of the page before."),
  limit: z.coerce.number().int().min(1).max(1000).default(50).describe("How many at the most."),
});

/** RFC 3339 in UTC. */
export const timestamp = z.iso.datetime().describe("RFC 3339, UTC.");
export const revision = z.number().int().describe('Grows with every change; also the ETag (`"r<revision>"`), for If-Match.');
/** A name for people: anything printable. */
export const displayName = z
  .string()
  .trim()
  .min(1, "Give it a name.")
  .max(100, "At most 100 characters.")
  .regex(/^[^\p{Cc}]+$/u, "A name cannot contain control characters.");
/** A name for machines, part of addresses. */
export const slug = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{1,38}[a-z0-9]$/,
    "Use 3 to 40 small letters, digits and hyphens, starting with a letter and not ending with a hyphen.",
  );

export const actor = z
  .object({ kind: z.enum(["user", "service_account", "system", "anonymous"]), id: z.string().optional(), name: z.string() })
  .describe("Who did it.");
export type Actor = z.output<typeof actor>;

/** Something that happened, as the live event stream tells it. Consumers refetch; the payload is only what they need to know which. */
export interface EventDefinition {
  /** `<service>.<resource>.<what happened>`: `objects.bucket.created`. */
  type: string;
  payload: z.ZodObject;
}
export const event = <const E extends EventDefinition>(definition: E): E => definition;
export type Events = Record<string, EventDefinition>;

/** A limit that an organisation or project has. */
export interface QuotaDefinition {
  unit: "count" | "bytes";
  summary: string;
  /** What a new organisation gets. */
  default: number;
}
export type Quotas = Record<string, QuotaDefinition>;

/** A thing that is measured and later priced. */
export interface MeterDefinition {
  /** `byte_seconds`, `requests`, `bytes`, … */
  unit: string;
  summary: string;
}
export type Meters = Record<string, MeterDefinition>;

/** The contract of a service: everything about it that others may know. Safe in a browser. */
export interface Contract {
  /** The folder under services/ and the first word of its permissions. */
  name: string;
  title: string;
  routes: Routes;
  events?: Events;
  /** Keys are `<service>.<name>`. */
  quotas?: Quotas;
  /** Keys are `<service>.<name>`. */
  meters?: Meters;
}

export const contract = <const C extends Contract>(definition: C): C => definition;

/** `accessKeyCreate` → resource `access-key`, verb `create`: the CLI's words. The verb is the last word of the key. */
export function routeWords(key: string): { resource: string; verb: string } {
  const words = key
    .replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    .split("-")
    .filter(Boolean);
  const verb = words.pop() as string;
  return { resource: words.join("-"), verb };
}
