import { type Client, createClient } from "../client/client.ts";
import { CloudError } from "../kernel/errors.ts";
import type { Identity } from "../services/identity/contract.ts";
import type { Settings } from "./profiles.ts";
import { openSocket } from "./socket.ts";
import { suggestion, UsageError } from "./usage-error.ts";

/** The cloud as one command sees it: the client, and the organisation and project that were meant. */
export class Cloud {
  readonly client: Client;
  readonly settings: Settings;
  private identity: Promise<Identity> | undefined;

  constructor(settings: Settings) {
    this.settings = settings;
    const { token } = settings;
    this.client = createClient({
      baseUrl: settings.endpoint,
      openSocket,
      headers: () => ({ "user-agent": "khmara-cli", ...(token && { authorization: `Bearer ${token}` }) }),
    });
  }

  whoAmI(): Promise<Identity> {
    this.identity ??= this.client.identityGet();
    return this.identity;
  }

  /** The id of an organisation that was given as slug, name or id; the only one there is when none was given. */
  async organisation(given: string | undefined): Promise<string> {
    if (given?.startsWith("org_")) return given;
    const { organisations } = await this.whoAmI();
    if (given === undefined) {
      const [only, ...others] = organisations;
      if (only && others.length === 0) return only.id;
      throw which("organisation", organisations);
    }
    const found = match(given, organisations);
    if (found) return found.id;
    // Admins of the cloud may see more organisations than they are members of.
    for await (const one of this.client.all("organisationList", { search: given, limit: 200 }))
      if (fits(given, one)) return one.id;
    throw missing("organisation", given, organisations);
  }

  async project(given: string | undefined, inOrganisation: string | undefined): Promise<string> {
    if (given?.startsWith("prj_")) return given;
    const { organisations } = await this.whoAmI();
    const organisation = inOrganisation === undefined ? undefined : await this.organisation(inOrganisation);
    const projects = organisations
      .filter((one) => organisation === undefined || one.id === organisation)
      .flatMap((one) => one.projects);
    if (given === undefined) {
      const [only, ...others] = projects;
      if (only && others.length === 0) return only.id;
      throw which("project", projects);
    }
    const same = projects.filter((one) => one.slug === given);
    if (same.length > 1)
      throw new UsageError(`There are several projects "${given}".`, "Give --organisation too, or the id of the project.");
    const found = match(given, projects);
    if (found) return found.id;
    if (organisation !== undefined) {
      for await (const one of this.client.all("projectList", { organisation, search: given, limit: 200 }))
        if (fits(given, one)) return one.id;
    }
    throw missing("project", given, projects);
  }
}

interface Named {
  id: string;
  slug: string;
  name: string;
}

const fits = (given: string, one: Named): boolean => one.slug === given || one.name.toLowerCase() === given.toLowerCase();
const match = <T extends Named>(given: string, list: T[]): T | undefined =>
  list.find((one) => one.slug === given) ?? list.find((one) => fits(given, one));

function which(kind: "organisation" | "project", list: Named[]): UsageError {
  if (list.length === 0) return new UsageError(`There is no ${kind} yet.`, `Make one: khmara ${kind} create NAME`);
  const slugs = list.slice(0, 10).map((one) => one.slug);
  return new UsageError(
    `Which ${kind}? There are several: ${slugs.join(", ")}${list.length > 10 ? ", …" : ""}.`,
    `Give --${kind} ${slugs[0]}, or keep one: khmara profile set --${kind} ${slugs[0]}`,
  );
}

const missing = (kind: "organisation" | "project", given: string, list: Named[]): CloudError => {
  const hint =
    suggestion(
      given,
      list.map((one) => one.slug),
    ) ?? `khmara ${kind} list shows what there is.`;
  return new CloudError("not_found", `There is no ${kind} "${given}", or you have no access to it. ${hint}`, {
    details: { resource: kind },
  });
};
