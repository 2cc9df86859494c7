import { actorOf, type Place, type Principal } from "../../kernel/auth/principal.ts";
import type { Actor, Routes } from "../../kernel/contract.ts";
import type { Database } from "../../kernel/db/database.ts";
import type { Log } from "../../kernel/log.ts";
import type { Secrets } from "../../kernel/secrets.ts";
import type { Handler } from "../../kernel/service.ts";
import { projectNetwork } from "../apps/running/contract.ts";
import type { IdentityService } from "../identity/contract.ts";
import type { ObjectsService } from "../objects/contract.ts";
import type { DatabaseDriver, ServerSpec } from "./driver.ts";
import type { BackupRow, DatabaseRow } from "./store.ts";

export interface CertificateAndKey {
  /** PEM. */
  certificate: string;
  /** PEM, PKCS #8. */
  key: string;
}

/** The cloud's way of signing for servers; gateway/certificates has it. */
export interface CertificateMaker {
  createAuthority(options: { name: string }): Promise<CertificateAndKey>;
  issueCertificate(authority: CertificateAndKey, names: readonly string[], options: { days: number }): Promise<CertificateAndKey>;
}

/** What every part of the service works with. */
export interface DatabasesParts {
  database: Database;
  identity: IdentityService;
  objects: ObjectsService;
  secrets: Secrets;
  log: Log;
  certificates: CertificateMaker;
  /** The name or address at which people reach the host. */
  publicHost: string;
  /** Where the host listens for them. */
  listenAddress: string;
  /** Of the host, both ends included. */
  ports: { first: number; last: number };
  /** Throws failed_precondition (`details.reason` engine_missing), saying how to add one, while there is none. */
  driver(): DatabaseDriver;
}

export type RouteHandlers<R extends Routes> = { [K in keyof R]: Handler<R[K]> };

export const placeOf = ({ organisationId, projectId }: { organisationId: string; projectId: string }): Place => ({
  organisationId,
  projectId,
});

export const actorIn = (context: { principal: Principal }): Actor => actorOf(context.principal);

const tail = (id: string): string => id.slice(-12);

/** Names in the engine. */
export const containerOf = (row: Pick<DatabaseRow, "id">): string => `db-${tail(row.id)}`;
export const volumeOf = (row: Pick<DatabaseRow, "id" | "incarnation">): string => `db-${tail(row.id)}-${row.incarnation}`;
export const drillOf = (backup: Pick<BackupRow, "id">): string => `dbv-${tail(backup.id)}`;
/** Of everything of a database in its bucket. */
export const prefixOf = (row: Pick<DatabaseRow, "id" | "incarnation">): string => `databases/${row.id}/${row.incarnation}/`;
export const internalHostOf = (row: Pick<DatabaseRow, "name">): string => row.name;

export const specOf = (parts: Pick<DatabasesParts, "listenAddress">, row: DatabaseRow): ServerSpec => ({
  name: containerOf(row),
  volume: volumeOf(row),
  version: row.version,
  labels: { kind: "database", database: row.id, project: row.projectId, organisation: row.organisationId },
  memoryBytes: row.memoryBytes,
  cpus: row.cpus,
  diskBytes: row.diskBytes,
  network: { ...projectNetwork(row.projectId), alias: internalHostOf(row) },
  ...(row.port === null ? {} : { port: { address: parts.listenAddress, port: row.port } }),
  archive: row.bucketId !== null,
  readOnly: row.readOnly,
});

export const subjectOf = (
  kind: string,
  row: { id: string; organisationId: string; projectId: string },
  name: string,
): { organisationId: string; projectId: string; resource: { kind: string; id: string; name: string } } => ({
  organisationId: row.organisationId,
  projectId: row.projectId,
  resource: { kind, id: row.id, name },
});
