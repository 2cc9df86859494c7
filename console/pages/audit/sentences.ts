import type { ReactNode } from "react";
import type { AuditEntry } from "../../../services/audit/contract.ts";
import { rich, translate, translateMaybe } from "../../i18n/i18n.ts";

/** Where there are no words yet: `things.thing.create` → "thing create". */
const plain = (action: string): string => action.split(".").slice(1).join(" ").replaceAll("_", " ");

/** What was done, as a sentence of the language; `resource` stands where the thing is named. */
export function sentence(entry: AuditEntry, resource: ReactNode): ReactNode {
  // The same permission over a whole bucket (many objects at once) reads differently than over one object.
  const key = [`audit.did.${entry.action}.${entry.resource.kind}`, `audit.did.${entry.action}`].find(
    (one) => translateMaybe(one, { resource: "" }) !== undefined,
  );
  return key === undefined
    ? rich("audit.did", { action: plain(entry.action), resource })
    : rich(key as "audit.did.objects.bucket.create", { resource });
}

export const resourceName = ({ resource }: AuditEntry): string => resource.name ?? resource.id;
export const resourceKind = ({ resource }: AuditEntry): string => translateMaybe(`audit.kind.${resource.kind}`) ?? resource.kind;

export const actorName = ({ actor }: AuditEntry): string =>
  actor.kind === "system" ? translate("audit.system") : actor.kind === "anonymous" ? translate("audit.anonymous") : actor.name;

/** `expiresAt` → "expires at", with words of the language where there are some. */
export function fieldName(path: readonly string[]): string {
  const known = translateMaybe(`audit.field.${path.join(".")}`) ?? translateMaybe(`audit.field.${path.at(-1)}`);
  if (known) return known;
  const words = path
    .map((name) =>
      name
        .replaceAll(/([a-z])([A-Z])/g, "$1 $2")
        .replaceAll("_", " ")
        .toLowerCase(),
    )
    .join(" › ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** "Firefox on Linux" of a user agent, or its first word (`aws-cli/2.9`). */
export function agentName(userAgent: string | undefined): string | undefined {
  if (!userAgent) return undefined;
  const browser = /(Edg|OPR|Firefox|Chrome|Safari)\//.exec(userAgent)?.[1];
  if (!browser || !userAgent.startsWith("Mozilla/")) return userAgent.split(" ")[0];
  const name = { Edg: "Edge", OPR: "Opera" }[browser] ?? browser;
  const on = /Android|iPhone|iPad|Windows|Mac OS X|Linux|CrOS/.exec(userAgent)?.[0];
  return on ? translate("audit.agent", { browser: name, on: on === "Mac OS X" ? "macOS" : on }) : name;
}
