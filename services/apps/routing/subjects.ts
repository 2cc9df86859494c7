import type { Tx } from "../../../kernel/db/database.ts";
import { emit } from "../../../kernel/events.ts";
import { deployingEvents } from "../deploying/contract.ts";
import type { AppView } from "../parts.ts";

/** Domains and access belong to an app: whoever watches it hears of them. */
export const announce = (tx: Tx, app: AppView): Promise<void> =>
  emit(tx, {
    type: deployingEvents.appChanged.type,
    organisationId: app.organisationId,
    projectId: app.projectId,
    payload: { appId: app.id, name: app.name, state: app.state },
  });
