import { createHash, X509Certificate } from "node:crypto";
import type { GatewaySpecification } from "../../../gateway/specification.ts";
import type { AppsParts } from "../parts.ts";
import { type CertificateIssuer, type CertificateRow, certificateStore } from "./store.ts";

type Certificate = NonNullable<GatewaySpecification["certificates"]>[number];

export interface Provided {
  list: Certificate[];
  /** For clients that ask for no name of ours. */
  fallback: Certificate;
  /** Hosts whose certificate browsers know the issuer of. */
  trusted: ReadonlySet<string>;
}

export interface Certificates {
  /** One for each name: of an ACME server where there is one, else of the cloud's own authority; what is missing there is made. */
  provide(wanted: { hosts: readonly string[]; wildcards: readonly string[]; appsDomain: string }): Promise<Provided>;
  /** PEM, for people who want to trust it. */
  authority(): Promise<string>;
}

const keyPurpose = (host: string, issuedBy: CertificateIssuer): string => `apps.certificate:${issuedBy}:${host}`;

/** As it is kept: with its key sealed, and the time at which a new one is asked for. */
export async function sealCertificate(
  parts: Pick<AppsParts, "secrets">,
  { host, issuedBy, certificate, key }: { host: string; issuedBy: CertificateIssuer; certificate: string; key: string },
): Promise<CertificateRow> {
  const { renewAt } = await import("../../../gateway/certificates/authority.ts");
  return {
    host,
    issuedBy,
    certificate,
    key: parts.secrets.encrypt(keyPurpose(host, issuedBy), key),
    expiresAt: new X509Certificate(certificate).validToDate,
    renewAt: renewAt(certificate),
  };
}

export function createCertificates(parts: AppsParts): Certificates {
  const { database, secrets } = parts;
  const keyOf = (row: CertificateRow) => secrets.decrypt(keyPurpose(row.host, row.issuedBy), row.key).toString();

  async function authority(): Promise<{ certificate: string; key: string }> {
    const find = () => database.transaction("system", (tx) => certificateStore.find(tx, "*", "authority"));
    let row = await find();
    if (row === undefined || row.renewAt.getTime() < Date.now()) {
      const { createAuthority } = await import("../../../gateway/certificates/authority.ts");
      const made = await createAuthority({ name: "Khmara" });
      const sealed = await sealCertificate(parts, { host: "*", issuedBy: "authority", ...made });
      await database.transaction("system", (tx) => certificateStore.putAuthority(tx, sealed));
      // Another process may have been quicker.
      row = (await find()) ?? sealed;
    }
    return { certificate: row.certificate, key: keyOf(row) };
  }

  /** By the cloud's own authority, those that are due too. */
  async function issue(hosts: readonly string[]): Promise<CertificateRow[]> {
    if (hosts.length === 0) return [];
    const { issueCertificate } = await import("../../../gateway/certificates/authority.ts");
    const issuer = await authority();
    const rows: CertificateRow[] = [];
    for (const host of hosts)
      rows.push(await sealCertificate(parts, { host, issuedBy: "internal", ...(await issueCertificate(issuer, [host])) }));
    await database.transaction("system", async (tx) => {
      for (const row of rows) await certificateStore.put(tx, row);
    });
    return rows;
  }

  return {
    async provide({ hosts, wildcards, appsDomain }) {
      const now = Date.now();
      const general = `*.${appsDomain}`;
      const covered = new Set(wildcards);
      const alone = hosts.filter((host) => !covered.has(`*.${host.slice(host.indexOf(".") + 1)}`));
      const own = [...new Set([...wildcards, ...alone, general])];
      const rows = await database.transaction("system", (tx) => certificateStore.of(tx, [...new Set([...own, ...hosts])]));
      const acme = new Map(
        rows.filter(({ issuedBy, expiresAt }) => issuedBy === "acme" && expiresAt.getTime() > now).map((row) => [row.host, row]),
      );
      const internal = new Map(rows.filter(({ issuedBy }) => issuedBy === "internal").map((row) => [row.host, row]));
      const due = own.filter((host) => !acme.has(host) && (internal.get(host)?.renewAt.getTime() ?? 0) <= now);
      for (const row of await issue(due)) internal.set(row.host, row);
      const list: Certificate[] = [];
      for (const host of new Set([...own, ...hosts])) {
        const row = acme.get(host) ?? (own.includes(host) ? internal.get(host) : undefined);
        if (row === undefined) continue;
        const name = `${row.issuedBy}-${createHash("sha256").update(host).digest("hex").slice(0, 32)}`;
        list.push({ name, hosts: [host], certificate: row.certificate, key: keyOf(row) });
      }
      const first = internal.get(general) as CertificateRow;
      return {
        list: list.filter(({ hosts: [host] }) => host !== general),
        fallback: { name: "fallback", hosts: [], certificate: first.certificate, key: keyOf(first) },
        trusted: new Set(acme.keys()),
      };
    },

    authority: async () => (await authority()).certificate,
  };
}
