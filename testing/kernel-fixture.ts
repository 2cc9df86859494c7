import { after } from "node:test";
import type { FastifyInstance } from "fastify";
import type { Principal } from "../kernel/auth/principal.ts";
import { type Database, openDatabase } from "../kernel/db/database.ts";
import { CloudError } from "../kernel/errors.ts";
import { createHttpServer } from "../kernel/http/server.ts";
import { silentLog } from "../kernel/log.ts";
import { registerQuotas } from "../kernel/quota.ts";
import { openSecrets } from "../kernel/secrets.ts";
import type { AnyService } from "../kernel/service.ts";
import { testDatabase } from "./postgres.ts";

/** A migrated throwaway database, dropped when the test file ends. */
export async function migratedDatabase(): Promise<{ database: Database; url: string }> {
  const { url, drop } = await testDatabase([]);
  const database = openDatabase({ url });
  after(async () => {
    await database.close();
    await drop();
  });
  return { database, url };
}

export const testSecrets = openSecrets(Buffer.alloc(32, 7));

/** The router over some services; `Authorization: Bearer <name>` signs in as that principal. */
export function testServer(database: Database, services: AnyService[], principals: Record<string, Principal>): FastifyInstance {
  for (const service of services) registerQuotas(service.contract.quotas ?? {});
  const server = createHttpServer({
    services,
    database,
    secrets: testSecrets,
    log: silentLog,
    secure: false,
    async authenticate({ authorization, cookies }) {
      const name = authorization?.slice("Bearer ".length) ?? cookies["khmara_session"];
      if (name === undefined) return undefined;
      const principal = principals[name];
      if (!principal) throw new CloudError("unauthenticated", "This token is not valid.");
      return { principal, ambient: authorization === undefined };
    },
  });
  after(() => server.close());
  return server;
}
