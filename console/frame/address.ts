import type { Scope } from "./registry.ts";

const join = (...parts: string[]) => `/${parts.filter(Boolean).join("/")}`;

/** Addresses of pages; `organisation` and `project` are slugs. */
export const organisationAddress = (organisation: string, path = ""): string => join("o", organisation, path);
export const projectAddress = (organisation: string, project: string, path = ""): string =>
  join("o", organisation, "p", project, path);

export function scopedAddress(scope: Scope, path: string, organisation?: string, project?: string): string {
  if (scope === "project" && organisation && project) return projectAddress(organisation, project, path);
  if ((scope === "organisation" || scope === "project") && organisation) return organisationAddress(organisation, path);
  if (scope === "account" || scope === "cloud") return join(scope, path);
  return join(path);
}
