import type { ComputeParts } from "../parts.ts";
import { type PoolRow, poolStore } from "./store/addresses.ts";

const publishedOf = ({ range, interface: name, local }: PoolRow) => ({
  range,
  local,
  ...(name === null ? {} : { interface: name }),
});

/** Makes the host answer for the pools that there are now. */
export async function publishPools({ database, network }: Pick<ComputeParts, "database" | "network">): Promise<void> {
  await network().publishPools((await database.transaction("system", poolStore.all)).map(publishedOf));
}
