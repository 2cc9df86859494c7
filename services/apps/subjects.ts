import type { Tx } from "../../kernel/db/database.ts";
import { notFound } from "../../kernel/errors.ts";
import type { RequestContext } from "../../kernel/service.ts";
import { type AppsParts, type AppView, placeOf } from "./parts.ts";

/** The app of a route, once it is sure that the caller may do there what the route does. */
export async function openApp(
  parts: Pick<AppsParts, "deploying">,
  context: Pick<RequestContext, "authorize">,
  tx: Tx,
  appId: string,
  options: { lock?: boolean } = {},
): Promise<AppView> {
  const app = await parts.deploying.find(tx, appId, options);
  if (app === undefined) throw notFound("app");
  context.authorize(placeOf(app), "app");
  return app;
}

/** The place and name of an app, for audit and operations. */
export const subjectOf = (app: Pick<AppView, "id" | "name" | "organisationId" | "projectId">) => ({
  organisationId: app.organisationId,
  projectId: app.projectId,
  resource: { kind: "app", id: app.id, name: app.name },
});
