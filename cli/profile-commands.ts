import { globalFlags, readFlags, readOptions } from "./arguments.ts";
import { Cloud } from "./cloud.ts";
import { normalEndpoint, type Profile, profilesPath, readProfiles, saveProfile, settings, writeProfiles } from "./profiles.ts";
import { block, table } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { suggestion, UsageError } from "./usage-error.ts";

const profileHelp = `The clouds that you are signed in to, and the defaults there.

Usage: khmara profile list
       khmara profile show [NAME]
       khmara profile use NAME
       khmara profile set [--endpoint URL] [--organisation SLUG] [--project SLUG]
       khmara profile delete NAME
       khmara profile update        (your name and language in the cloud: khmara profile update --help)

Environment: KHMARA_PROFILE, KHMARA_ENDPOINT, KHMARA_TOKEN, KHMARA_ORGANISATION and KHMARA_PROJECT override a profile.
`;

const verbs = ["list", "show", "use", "set", "delete", "update"];

/** A profile without its token: that is shown to nobody. */
const visible = (name: string, profile: Profile, current: boolean) => ({
  name,
  current,
  endpoint: profile.endpoint,
  email: profile.email ?? null,
  organisation: profile.organisation ?? null,
  project: profile.project ?? null,
  signedIn: profile.token !== undefined,
});

export async function profileCommand(words: string[], terminal: Terminal): Promise<number> {
  const known = () => Object.keys(globalFlags);
  const takesValue = (flag: string) =>
    Object.hasOwn(globalFlags, flag) ? globalFlags[flag as keyof typeof globalFlags].value : undefined;
  const { flags, rest } = readFlags(words, takesValue, known);
  const options = readOptions(flags);
  const [verb, name] = rest;
  if (options.help || verb === undefined || verb === "help") {
    terminal.out(profileHelp);
    return 0;
  }
  const all = readProfiles(terminal.env);
  const json = (value: unknown) => terminal.out(`${JSON.stringify(value, null, 2)}\n`);
  const need = (wanted: string | undefined): [string, Profile] => {
    const profile = wanted === undefined ? undefined : all.profiles[wanted];
    if (profile) return [wanted as string, profile];
    if (Object.keys(all.profiles).length === 0) throw new UsageError("There are no profiles yet.", "Sign in: khmara login");
    throw new UsageError(
      `There is no profile "${wanted ?? ""}".`,
      suggestion(wanted ?? "", Object.keys(all.profiles)) ?? `There are: ${Object.keys(all.profiles).join(", ")}.`,
    );
  };
  switch (verb) {
    case "list": {
      const list = Object.entries(all.profiles).map(([one, profile]) => visible(one, profile, one === all.current));
      if (options.json) json({ items: list });
      else if (list.length === 0) terminal.note("No profiles yet. Sign in: khmara login\n");
      else {
        const rows = list.map((one) => [
          one.current ? "*" : "",
          one.name,
          one.endpoint,
          one.signedIn ? (one.email ?? "yes") : "–",
          one.organisation?.slug ?? "–",
          one.project?.slug ?? "–",
        ]);
        const titles = ["", "NAME", "ENDPOINT", "SIGNED IN", "ORGANISATION", "PROJECT"];
        terminal.out(
          table(
            titles.map((title) => ({ title })),
            rows,
            terminal.stdoutIsTerminal ? terminal.columns : Number.POSITIVE_INFINITY,
          ),
        );
      }
      return 0;
    }
    case "show": {
      const [shown, profile] = need(name ?? options.profile ?? terminal.env["KHMARA_PROFILE"] ?? all.current);
      const one = visible(shown, profile, shown === all.current);
      if (options.json) json(one);
      else {
        terminal.out(
          block([
            ["name", shown],
            ["endpoint", one.endpoint],
            ["signed in", one.signedIn ? (one.email ?? "yes") : "no"],
            ["organisation", one.organisation ? `${one.organisation.slug} (${one.organisation.id})` : "–"],
            ["project", one.project ? `${one.project.slug} (${one.project.id})` : "–"],
            ["file", profilesPath(terminal.env)],
          ]),
        );
      }
      return 0;
    }
    case "use": {
      const [used] = need(name);
      writeProfiles(terminal.env, { ...all, current: used });
      if (!options.quiet) terminal.out(`Commands use the profile ${used} now.\n`);
      return 0;
    }
    case "delete": {
      const [deleted, profile] = need(name);
      if (profile.token !== undefined && !options.yes) {
        throw new UsageError(
          `The profile ${deleted} is signed in.`,
          `Sign out first: khmara logout --profile ${deleted}; or add --yes to only forget it.`,
        );
      }
      saveProfile(terminal.env, deleted, undefined);
      if (!options.quiet) terminal.out(`Forgot the profile ${deleted}.\n`);
      return 0;
    }
    case "set":
      return set(options, terminal);
    default:
      throw new UsageError(`There is no verb "${verb}" for profile: ${verbs.join(", ")}.`, suggestion(verb, verbs));
  }
}

async function set(options: ReturnType<typeof readOptions>, terminal: Terminal): Promise<number> {
  if (options.endpoint === undefined && options.organisation === undefined && options.project === undefined) {
    throw new UsageError("What is to be set?", "Give --endpoint, --organisation or --project.");
  }
  const now = settings(terminal.env, options);
  const { profileName, profile: before } = now;
  const profile: Profile = before ? { ...before } : { endpoint: now.endpoint };
  if (options.endpoint !== undefined && normalEndpoint(options.endpoint) !== before?.endpoint) {
    // Another cloud: token, organisation and project of the old one mean nothing there.
    for (const field of ["token", "tokenId", "email", "organisation", "project"] as const) delete profile[field];
    profile.endpoint = normalEndpoint(options.endpoint);
    if (before?.token) terminal.note(`That is another cloud: sign in there with khmara login --profile ${profileName}.\n`);
  }
  const cloud = new Cloud(now);
  if (options.organisation !== undefined) {
    const { id, slug } = await cloud.client.organisationGet({
      organisation: (await cloud.organisation(options.organisation)) as never,
    });
    profile.organisation = { id, slug };
    delete profile.project;
  }
  if (options.project !== undefined) {
    const { id, slug, organisationId } = await cloud.client.projectGet({
      project: (await cloud.project(options.project, options.organisation ?? profile.organisation?.id)) as never,
    });
    profile.project = { id, slug };
    if (profile.organisation?.id !== organisationId) {
      const organisation = await cloud.client.organisationGet({ organisation: organisationId });
      profile.organisation = { id: organisation.id, slug: organisation.slug };
    }
  }
  saveProfile(terminal.env, profileName, profile);
  if (!options.quiet) terminal.out(`Kept in the profile ${profileName}.\n`);
  return 0;
}
