import type { Tx } from "../db/database.ts";

export interface OutboundSettings {
  /** In CIDR notation: networks inside of the cloud's own that calls to the outside may go to all the same. */
  allowedNetworks: string[];
  revision: number;
}

export async function outboundSettings(tx: Tx, options: { lock?: boolean } = {}): Promise<OutboundSettings> {
  const [row] = await tx.sql<OutboundSettings[]>`
    select allowed_networks as "allowedNetworks", revision from kernel.outbound_settings ${options.lock ? tx.sql`for update` : tx.sql``}`;
  return row as OutboundSettings;
}

export async function setAllowedNetworks(tx: Tx, networks: string[]): Promise<OutboundSettings> {
  const [row] = await tx.sql<OutboundSettings[]>`
    update kernel.outbound_settings set allowed_networks = ${networks}, revision = revision + 1
    returning allowed_networks as "allowedNetworks", revision`;
  return row as OutboundSettings;
}
