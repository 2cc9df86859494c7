/** Who vouches for the engines of nodes, and for us before them: an authority for that alone. */

import { clientName, serverNameOf } from "../drivers/swarm/names.ts";
import type { NodeIdentity } from "../nodesDriver.ts";
import type { AppsParts } from "../parts.ts";
import { authorityStore } from "./store.ts";

const purpose = "apps.node_authority";
const days = 3650;
const dayMs = 86_400_000;

export interface NodeAuthority {
  /** Of this process, for some days. */
  identity(): Promise<NodeIdentity>;
  /** Of a server of this process at an address, for some days. */
  serverAt(host: string): Promise<NodeIdentity>;
  /** For the engine of a node: as long as the authority itself, as nobody renews it there but a new invitation. */
  issue(node: string): Promise<NodeIdentity>;
}

export function createNodeAuthority({ database, secrets }: Pick<AppsParts, "database" | "secrets">): NodeAuthority {
  const own = new Map<string, { identity: NodeIdentity; until: number }>();

  async function authority(): Promise<{ certificate: string; key: string }> {
    const find = () => database.transaction("system", (tx) => authorityStore.find(tx));
    let row = await find();
    if (row === undefined) {
      const { createAuthority } = await import("../../../gateway/certificates/authority.ts");
      const made = await createAuthority({ name: "Khmara nodes", days });
      await database.transaction("system", (tx) =>
        authorityStore.insert(tx, { certificate: made.certificate, key: secrets.encrypt(purpose, made.key) }),
      );
      // Another process may have been quicker.
      row = (await find()) as NonNullable<typeof row>;
    }
    return { certificate: row.certificate, key: secrets.decrypt(purpose, row.key).toString() };
  }

  async function ownAs(name: string, client: boolean): Promise<NodeIdentity> {
    const there = own.get(name);
    if (there !== undefined && Date.now() < there.until) return there.identity;
    const issuer = await authority();
    const { issueCertificate } = await import("../../../gateway/certificates/authority.ts");
    const identity = { authority: issuer.certificate, ...(await issueCertificate(issuer, [name], { client, days: 90 })) };
    own.set(name, { identity, until: Date.now() + 30 * dayMs });
    return identity;
  }

  return {
    identity: () => ownAs(clientName, true),
    serverAt: (host) => ownAs(host, false),

    async issue(node) {
      const issuer = await authority();
      const { issueCertificate } = await import("../../../gateway/certificates/authority.ts");
      return { authority: issuer.certificate, ...(await issueCertificate(issuer, [serverNameOf(node)], { days })) };
    },
  };
}
