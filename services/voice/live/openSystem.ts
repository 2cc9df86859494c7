import type { Tx } from "../../../kernel/db/database.ts";
import { notFound } from "../../../kernel/errors.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import { placeOf } from "../parts.ts";
import { type SystemRow, systemStore } from "../systems/store.ts";

/** The phone system of a route, once it is sure that the caller may do there what the route does. */
export async function openSystem(context: Pick<RequestContext, "authorize">, tx: Tx, id: string): Promise<SystemRow> {
  const system = await systemStore.find(tx, id);
  if (system === undefined) throw notFound("phoneSystem");
  context.authorize(placeOf(system), "phoneSystem");
  return system;
}
