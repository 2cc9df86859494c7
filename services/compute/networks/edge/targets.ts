import type { Tx } from "../../../../kernel/db/database.ts";
import { invalid } from "../../../../kernel/errors.ts";
import type { ProjectPlace } from "../../parts.ts";
import { type PortRow, portStore } from "../store/ports.ts";
import { refused } from "../subjects.ts";

/** The card that a person means: the port itself, or an instance's first one; of the same project. */
export async function targetPort(
  tx: Tx,
  place: ProjectPlace,
  wanted: { port?: string | undefined; instance?: string | undefined },
  path = "body",
): Promise<PortRow> {
  if ((wanted.port === undefined) === (wanted.instance === undefined))
    throw invalid(`${path}.instance`, "Give either an instance or one of its ports.");
  if (wanted.port !== undefined) {
    const port = await portStore.find(tx, wanted.port, { lock: true });
    if (port?.projectId !== place.projectId) throw invalid(`${path}.port`, "There is no such port in this project.");
    if (port.leaving) throw refused("port", "port_leaving", "This card is being taken out of its instance.");
    return port;
  }
  const [first] = await portStore.of(tx, [wanted.instance as string]);
  if (first?.projectId !== place.projectId)
    throw invalid(`${path}.instance`, "There is no such instance in this project, or it is in no network.");
  return first;
}
