/** What the doors beside the API (git, registry) have in common: who calls, and which app is meant by a name. */
import type { IncomingMessage } from "node:http";
import type { Principal } from "../../kernel/auth/principal.ts";
import type { Tx } from "../../kernel/db/database.ts";
import { CloudError } from "../../kernel/errors.ts";
import type { AppsParts, AppView } from "./parts.ts";

/** Basic authentication (RFC 7617) whose password is an API token; the user name is anybody's. unauthenticated, with `words`. */
export async function tokenCaller(
  { identity }: Pick<AppsParts, "identity">,
  request: IncomingMessage,
  sourceIp: string,
  words: string,
): Promise<Principal> {
  const basic = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(request.headers.authorization ?? "")?.[1];
  const password =
    basic === undefined
      ? ""
      : Buffer.from(basic, "base64")
          .toString()
          .replace(/^[^:]*:/, "");
  const found =
    password === ""
      ? undefined
      : await identity.authenticate({
          cookies: {},
          authorization: `Bearer ${password}`,
          sourceIp,
          userAgent: request.headers["user-agent"] ?? "",
        });
  if (found === undefined) throw new CloudError("unauthenticated", words);
  return found.principal;
}

/** Apps of one name that the transaction may see, in projects of one slug: two organisations may both have them. */
export async function appsCalled(
  { identity, deploying }: Pick<AppsParts, "identity" | "deploying">,
  tx: Tx,
  project: string,
  name: string,
): Promise<AppView[]> {
  const found: AppView[] = [];
  for (const app of await deploying.named(tx, name))
    if ((await identity.projectPlace(tx, app.projectId))?.slug === project) found.push(app);
  return found;
}

/** Whether a check that throws lets it through. */
export function isAllowed(check: () => void): boolean {
  try {
    check();
    return true;
  } catch (error) {
    if (CloudError.is(error)) return false;
    throw error;
  }
}
