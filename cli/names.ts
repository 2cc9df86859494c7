import { CloudError } from "../kernel/errors.ts";
import type { Cloud } from "./cloud.ts";
import type { Argument, NamedKind } from "./commands.ts";
import { suggestion, UsageError } from "./usage-error.ts";

interface Place {
  /** As named on the command line or in the profile. */
  organisation: string | undefined;
  project: string | undefined;
}

type Item = Record<string, unknown> & { id: string };

const isId = (word: string): boolean => /^[a-z]{3}_[0-9a-f]{32}$/.test(word);

/** Puts ids where names were given, in values that the arguments' own lists know. */
export async function resolveNames(
  cloud: Cloud,
  args: readonly Argument[],
  values: Record<string, unknown>,
  place: Place,
  named: Record<string, unknown> = {},
): Promise<void> {
  for (const argument of args) {
    const given = values[argument.field];
    if (!argument.named || given === undefined || given === null) continue;
    const words = [given].flat() as string[];
    if (words.every(isId)) continue;
    const ids: string[] = [];
    for (const word of words) ids.push(await idOf(cloud, argument.named, word, place, values));
    named[argument.field] = given;
    values[argument.field] = argument.list ? ids : ids[0];
  }
}

/** The id of the one thing with that name; a clear error for none, or for several. */
export async function idOf(
  cloud: Cloud,
  kind: NamedKind,
  word: string,
  place: Place,
  values: Record<string, unknown> = {},
): Promise<string> {
  if (isId(word)) return word;
  const project =
    kind.within === "project" ? String(values["project"] ?? (await cloud.project(place.project, place.organisation))) : undefined;
  const args: Record<string, unknown> = {
    limit: 200,
    ...(kind.search && { search: word }),
    ...(project !== undefined && { project }),
    ...(kind.within === "organisation" && {
      organisation: values["organisation"] ?? (await cloud.organisation(place.organisation)),
    }),
  };
  const exact: Item[] = [];
  const alike: Item[] = [];
  const names: string[] = [];
  for await (const item of cloud.client.all(kind.list as "instanceList", args as never) as AsyncIterable<unknown>) {
    const one = item as Item;
    const name = String(one[kind.by] ?? "");
    if (name === word) exact.push(one);
    else if (name.toLowerCase() === word.toLowerCase()) alike.push(one);
    else if (names.length < 1000) names.push(name);
  }
  const found = exact.length > 0 ? exact : alike;
  // What is the project's own goes before what is shared with it (images).
  const own = found.length > 1 ? found.filter((one) => one["projectId"] === project) : [];
  const [only, ...others] = own.length === 1 ? own : found;
  if (only && others.length === 0) return only.id;
  const where = project === undefined ? "" : " in this project";
  if (only) {
    const ids = found.slice(0, 10).map((one) => one.id);
    throw new UsageError(
      `There are ${found.length} ${kind.kind}s called "${word}"${where}: ${ids.join(", ")}${found.length > ids.length ? ", …" : ""}.`,
      "Give the id.",
    );
  }
  const hint =
    suggestion(word, kind.search ? await otherNames(cloud, kind, args) : names) ??
    `khmara ${kind.kind.replaceAll(" ", "-")} list shows what there is.`;
  throw new CloudError("not_found", `There is no ${kind.kind} "${word}"${where}, or you have no access to it. ${hint}`, {
    details: { resource: kind.kind },
  });
}

/** Some names that could have been meant: the search found nothing that contains the word. */
async function otherNames(cloud: Cloud, kind: NamedKind, args: Record<string, unknown>): Promise<string[]> {
  const { search: _, ...rest } = args;
  const call = cloud.client[kind.list as "instanceList"] as unknown as (args: object) => Promise<{ items: Item[] }>;
  const { items } = await call(rest);
  return items.map((one) => String(one[kind.by] ?? ""));
}
