/** TLS of the servers: one authority for all of the cloud's databases, so that a client needs one file for them. */
import type { DatabasesParts } from "./parts.ts";
import { internalHostOf } from "./parts.ts";
import { authorityStore, type DatabaseRow } from "./store.ts";

const purpose = "databases.authority";
const days = 397;
/** Made anew long before it ends: a restart of the server also makes a new one. */
export const renewAfterDays = 270;

type Parts = Pick<DatabasesParts, "database" | "secrets" | "certificates" | "publicHost">;

async function authority(parts: Parts): Promise<{ certificate: string; key: string }> {
  const find = () => parts.database.transaction("system", (tx) => authorityStore.find(tx));
  let row = await find();
  if (row === undefined) {
    const made = await parts.certificates.createAuthority({ name: "Khmara databases" });
    const key = parts.secrets.encrypt(purpose, made.key);
    await parts.database.transaction("system", (tx) => authorityStore.insert(tx, { certificate: made.certificate, key }));
    // Somebody may have been quicker.
    row = await find();
  }
  if (row === undefined) throw new Error("The authority of the databases is not there though it was written.");
  return { certificate: row.certificate, key: parts.secrets.decrypt(purpose, row.key).toString() };
}

export const authorityCertificate = async (parts: Parts): Promise<string> => (await authority(parts)).certificate;

export async function issueFor(parts: Parts, row: Pick<DatabaseRow, "name">): Promise<{ certificate: string; key: string }> {
  return parts.certificates.issueCertificate(await authority(parts), [parts.publicHost, internalHostOf(row)], { days });
}
