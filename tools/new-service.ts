/** `npm run new-service -- NAME`: the folder of a new service, in the one shape that all have, registered where it must be. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "./checks.ts";

const name = process.argv[2] ?? "";
const root = process.argv[3] ?? repository;
const folder = join(root, "services", name);
if (!/^[a-z]{3,20}$/.test(name))
  fail("Give the name of the service: 3 to 20 small letters, a plural where it fits (npm run new-service -- volumes).");
if (existsSync(folder)) fail(`services/${name} is there already.`);

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

const title = `${name[0]?.toUpperCase()}${name.slice(1)}`;
const one = name.endsWith("s") ? name.slice(0, -1) : name;
const One = `${one[0]?.toUpperCase()}${one.slice(1)}`;

const files: Record<string, string> = {
  "README.md": `# ${title}

What this service owns, in a sentence. States and what may be asked in each: \`contract.ts\`. Tables: \`migrations/\`.
`,
  "contract.ts": `import { z } from "zod";
import { contract, displayName, event, page, pageQuery, revision, route, timestamp } from "../../kernel/contract.ts";
import { id } from "../../kernel/ids.ts";

export const ${one} = z.object({ id: z.string(), projectId: id("project"), name: displayName, createdAt: timestamp, revision });
export type ${One} = z.output<typeof ${one}>;

export default contract({
  name: "${name}",
  title: "${title}",
  routes: {
    ${one}List: route({
      method: "GET",
      path: "/v1/${name}",
      summary: "List the ${name} of a project",
      permission: "${name}.${one}.list",
      roles: ["viewer"],
      query: pageQuery.extend({ project: id("project") }),
      response: page(${one}),
      errors: ["not_found"],
    }),
    ${one}Create: route({
      method: "POST",
      path: "/v1/${name}",
      summary: "Make a ${one}",
      permission: "${name}.${one}.create",
      roles: ["editor"],
      body: z.object({ project: id("project"), name: displayName }),
      response: ${one},
      status: 201,
      errors: ["not_found", "quota_exceeded"],
    }),
  },
  events: { ${one}Changed: event({ type: "${name}.${one}.changed", payload: z.object({ id: z.string() }) }) },
  quotas: { "${name}.${name}": { unit: "count", summary: "${title}", default: 100 } },
});
`,
  "store.ts": `import type { Tx } from "../../kernel/db/database.ts";

export interface ${One}Record {
  id: string;
  projectId: string;
  organisationId: string;
  name: string;
  createdAt: Date;
  revision: number;
}

const columns = \`id, project_id as "projectId", organisation_id as "organisationId", name, created_at as "createdAt", revision\`;

export const ${one}Store = {
  list: (tx: Tx, projectId: string, after: string | undefined, limit: number): Promise<${One}Record[]> => tx.sql<${One}Record[]>\`
    select \${tx.sql.unsafe(columns)} from ${name}.${name}
    where project_id = \${projectId} \${after ? tx.sql\`and id > \${after}\` : tx.sql\`\`} order by id limit \${limit}\`,

  async insert(tx: Tx, record: Pick<${One}Record, "id" | "projectId" | "organisationId" | "name">): Promise<${One}Record> {
    const [row] = await tx.sql<${One}Record[]>\`
      insert into ${name}.${name} (id, project_id, organisation_id, name) values (\${record.id}, \${record.projectId}, \${record.organisationId}, \${record.name})
      returning \${tx.sql.unsafe(columns)}\`;
    return row as ${One}Record;
  },
};
`,
  "service.ts": `import { randomUUID } from "node:crypto";
import { isoTime } from "../../kernel/clock.ts";
import { notFound } from "../../kernel/errors.ts";
import { emit } from "../../kernel/events.ts";
import { decodeCursor, toPage } from "../../kernel/http/cursor.ts";
import { reserveQuota } from "../../kernel/quota.ts";
import { defineService, type RequestContext, type ServiceDefinition } from "../../kernel/service.ts";
import type { IdentityService } from "../identity/contract.ts";
import contract, { type ${One} } from "./contract.ts";
import { type ${One}Record, ${one}Store } from "./store.ts";

export function create${title}({ identity }: { identity: IdentityService }): ServiceDefinition<typeof contract> {
  const projectOf = async (context: RequestContext, projectId: string) => {
    const place = await identity.projectPlace(context.tx, projectId);
    if (!place) throw notFound("project");
    context.authorize(place, "project");
    return place;
  };
  return defineService<typeof contract>({
    contract,
    migrations: new URL("./migrations/", import.meta.url),
    handlers: {
      async ${one}List(context, { query }) {
        await projectOf(context, query.project);
        const cursor = decodeCursor(query.cursor, 1);
        const rows = await ${one}Store.list(context.tx, query.project, cursor && String(cursor[0]), query.limit + 1);
        return toPage(rows, query.limit, view, (row) => [row.id]);
      },
      async ${one}Create(context, { body }) {
        const { organisationId, projectId } = await projectOf(context, body.project);
        await reserveQuota(context.tx, { organisationId, projectId }, "${name}.${name}", 1);
        const record = await ${one}Store.insert(context.tx, { id: randomUUID(), organisationId, projectId, name: body.name });
        context.audit({ organisationId, projectId, resource: { kind: "${one}", id: record.id, name: record.name }, after: { name: record.name } });
        await emit(context.tx, { type: "${name}.${one}.changed", organisationId, projectId, payload: { id: record.id } });
        return view(record);
      },
    },
  });
}

const view = (record: ${One}Record): ${One} => ({
  id: record.id,
  projectId: record.projectId as ${One}["projectId"],
  name: record.name,
  createdAt: isoTime(record.createdAt),
  revision: record.revision,
});
`,
  "index.ts": `export { create${title} } from "./service.ts";\n`,
  [`migrations/0001_${name}.sql`]: `create table ${name}.${name} (
  id text primary key,
  organisation_id text not null,
  project_id text not null references identity.projects (id),
  name text not null,
  revision integer not null default 1,
  created_at timestamptz not null default now()
);
create index on ${name}.${name} (project_id, id);
alter table ${name}.${name} enable row level security;
create policy tenant on ${name}.${name} to khmara_tenant using (kernel.visible(organisation_id)) with check (kernel.visible(organisation_id));
`,
};

for (const [file, text] of Object.entries(files)) {
  mkdirSync(join(folder, file, ".."), { recursive: true });
  writeFileSync(join(folder, file), text);
}

/** Each place that lists the services has the line after which a new one goes. */
function insert(file: string, pattern: RegExp, text: (match: string) => string): void {
  const path = join(root, file);
  const source = readFileSync(path, "utf8");
  if (!pattern.test(source)) fail(`${file} has no place for a new service: ${pattern}. Add it by hand.`);
  writeFileSync(path, source.replace(pattern, text));
}
insert(
  "services/contracts.ts",
  /(import \* as operations from )/,
  (match) => `import * as ${name} from "./${name}/contract.ts";\n${match}`,
);
insert("services/contracts.ts", /(objects\.default,\s)/, (match) => `${match}${name}.default, `);
insert("services/contracts.ts", /(\[\s*identity,\s)/, (match) => `${match}${name}, `);
insert(
  "server/cloud.ts",
  /(import \{ createOperations \})/,
  (match) => `import { create${title} } from "../services/${name}/index.ts";\n${match}`,
);
insert("server/core.ts", /(\["identity", "objects")/, (match) => `${match}, "${name}"`);
insert("server/cloud.ts", /(createBilling\(\),\s)/, (match) => `${match}create${title}({ identity: identity.identity }), `);

process.stdout.write(
  `Made services/${name}. Now: npx biome check --write services server, npm run generate, and a case for each route in server/authorization.test.ts.\n`,
);
