import { there } from "../../../kernel/errors.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import { placeOf } from "../parts.ts";
import { type SystemRow, systemStore } from "./store.ts";

/** The phone system of a route, once it is sure that the caller may do there what the route does. `lock`: changes of it wait for each other. */
export async function openSystem(
  context: Pick<RequestContext, "tx" | "authorize">,
  id: string,
  options: { lock?: boolean } = {},
): Promise<SystemRow> {
  const row = there(await systemStore.find(context.tx, id, options), "phoneSystem");
  context.authorize(placeOf(row), "phoneSystem");
  return row;
}
