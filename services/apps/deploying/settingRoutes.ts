import { actorOf } from "../../../kernel/auth/principal.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import type { AppsParts, Area } from "../parts.ts";
import { subjectOf } from "../subjects.ts";
import { openApp } from "./appRoutes.ts";
import type { deployingRoutes } from "./contract.ts";
import { type DeploymentOperations, deployAgain } from "./queue.ts";
import { changeSettings, viewSetting } from "./settings.ts";
import { checkAction } from "./states.ts";
import { appStore } from "./store/apps.ts";
import { settingStore } from "./store/settings.ts";

type Handlers = Area<typeof deployingRoutes>["handlers"];

export function settingRoutes(
  parts: AppsParts,
  operations: DeploymentOperations,
): Pick<Handlers, "settingList" | "settingUpdate"> {
  return {
    async settingList(context, { params, query }) {
      const row = await openApp(context, context.tx, params.app);
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await settingStore.list(context.tx, row.id, {
        ...(after === undefined ? {} : { after: String(after) }),
        limit: query.limit + 1,
      });
      return toPage(
        rows,
        query.limit,
        (each) => viewSetting(parts.secrets, each),
        ({ name }) => [name],
      );
    },

    async settingUpdate(context, { params, body }) {
      const row = await openApp(context, context.tx, params.app, { lock: true });
      checkAction(row, "configure");
      const changed = await changeSettings(context.tx, parts.secrets, row, body);
      if (!changed) return {};
      // Names only: values are nobody's business but the app's.
      const names = { set: Object.keys(body.set), setSecrets: Object.keys(body.setSecrets), unset: body.unset };
      context.audit({ ...subjectOf(row), after: names });
      await appStore.touch(context.tx, row);
      if (!body.deploy) return {};
      const all = [...names.set, ...names.setSecrets, ...names.unset];
      const shown = all.length > 5 ? `${all.slice(0, 5).join(", ")} and ${all.length - 5} more` : all.join(", ");
      const begun = await deployAgain(context.tx, operations, row, `Settings: ${shown}`, actorOf(context.principal));
      if (begun === undefined) return {};
      parts.engine();
      return { deploymentId: begun.deployment.id, operationId: begun.operation.id };
    },
  };
}
