import { hostname } from "node:os";
import { createClient } from "../client/client.ts";
import { CloudError } from "../kernel/errors.ts";
import type { Identity } from "../services/identity/contract.ts";
import { globalFlags, readFlags, readOptions } from "./arguments.ts";
import { defaultEndpoint, normalEndpoint, type Profile, readProfiles, saveProfile, settings } from "./profiles.ts";
import { readSecret } from "./secret.ts";
import { ask, askSecret, type Terminal } from "./terminal.ts";
import { UsageError } from "./usage-error.ts";

const loginFlags: Record<string, boolean> = { token: true, "token-file": true, email: true, "password-file": true, code: true };
const known = () => [...Object.keys(loginFlags), ...Object.keys(globalFlags)];
const takesValue = (flag: string): boolean | undefined =>
  loginFlags[flag] ?? (Object.hasOwn(globalFlags, flag) ? globalFlags[flag as keyof typeof globalFlags].value : undefined);

const loginHelp = `Sign in to a cloud and keep a token for it.

Usage: khmara login [--endpoint URL] [--email E-MAIL] [--profile NAME]

Flags:
  --endpoint URL        where the cloud is; otherwise the profile's, KHMARA_ENDPOINT or ${defaultEndpoint}
  --email E-MAIL        otherwise KHMARA_OWNER_EMAIL, or it is asked for
  --password-file FILE  reads the password from a file (- is the input); otherwise KHMARA_OWNER_PASSWORD, or it is asked for
  --code CODE           the 6 digits of the authenticator app; otherwise they are asked for
  --token TOKEN         use this API token instead; --token-file reads it from a file (- is the input)
  --profile NAME        keep it under this name; otherwise the current profile
  --json                print who you are, for programs
  -q, --quiet           print nothing

Examples:
  khmara login
  khmara login --endpoint https://cloud.example.org --profile work
  khmara login --email olena@example.org --password-file ./password

The token is kept in ~/.config/khmara/profiles.json, readable by you only. Without a profile, programs set KHMARA_TOKEN.
`;

/** Makes a token with a session that lives only for that, so that what is kept can be seen and revoked on its own. */
export async function login(words: string[], terminal: Terminal): Promise<number> {
  const { flags, rest } = readFlags(words, takesValue, known);
  const options = readOptions(flags);
  if (options.help) {
    terminal.out(loginHelp);
    return 0;
  }
  if (rest.length > 0)
    throw new UsageError(`"${rest[0]}" is one word too many.`, "Usage: khmara login [--endpoint URL] [--email E-MAIL]");
  const given = Object.fromEntries(flags) as Record<string, string>;
  const { env } = terminal;
  const profiles = readProfiles(env);
  const name = options.profile ?? env["KHMARA_PROFILE"] ?? profiles.current;
  const before = profiles.profiles[name];
  const suggested = env["KHMARA_ENDPOINT"] ?? before?.endpoint ?? defaultEndpoint;
  const asks = terminal.interactive && given["token"] === undefined && given["email"] === undefined;
  const endpoint = normalEndpoint(
    options.endpoint ?? (asks ? await ask(terminal, `Cloud [${suggested}]: `, suggested) : suggested),
  );

  const ready = given["token"] ?? (given["token-file"] === undefined ? undefined : readSecret(given["token-file"]));
  const made = ready === undefined ? await tokenBySession(endpoint, given, terminal) : { token: ready.trim() };
  const identity = await clientWith(endpoint, made.token).identityGet();
  const profile: Profile = {
    endpoint,
    ...made,
    ...(identity.user && { email: identity.user.email }),
    ...defaults(identity, before, endpoint),
  };
  saveProfile(env, name, profile, true);
  // The token before is of no use to anybody now; when it cannot be revoked it is just left.
  if (before?.token && before.tokenId && before.token !== made.token) await revoke(before).catch(() => {});
  report(terminal, name, profile, identity, options);
  return 0;
}

const clientWith = (baseUrl: string, token: string | undefined) =>
  createClient({ baseUrl, headers: () => ({ "user-agent": "khmara-cli", ...(token && { authorization: `Bearer ${token}` }) }) });

/** Ids stay right when things are renamed; the slugs are for showing. What was chosen before is kept while it is still there. */
function defaults(identity: Identity, before: Profile | undefined, endpoint: string): Pick<Profile, "organisation" | "project"> {
  const { organisations } = identity;
  const kept = before?.endpoint === endpoint ? before : undefined;
  const only = <T extends { id: string; slug: string }>(list: T[], chosen: string | undefined): T | undefined =>
    list.find((one) => one.id === chosen) ?? (list.length === 1 ? list[0] : undefined);
  const organisation = only(organisations, kept?.organisation?.id);
  const project = only(organisation?.projects ?? organisations.flatMap((one) => one.projects), kept?.project?.id);
  return {
    ...(organisation && { organisation: { id: organisation.id, slug: organisation.slug } }),
    ...(project && { project: { id: project.id, slug: project.slug } }),
  };
}

async function tokenBySession(
  endpoint: string,
  given: Record<string, string>,
  terminal: Terminal,
): Promise<{ token: string; tokenId: string }> {
  const { env } = terminal;
  const email =
    given["email"] ?? env["KHMARA_OWNER_EMAIL"] ?? (terminal.interactive ? await ask(terminal, "E-mail: ") : undefined);
  if (!email) throw new UsageError("Nobody is there to type an e-mail address.", "Give --email and --password-file, or --token.");
  let password = given["password-file"] === undefined ? env["KHMARA_OWNER_PASSWORD"] : readSecret(given["password-file"]);
  if (password === undefined && terminal.interactive) password = await askSecret(terminal, "Password: ");
  if (password === undefined)
    throw new UsageError("Nobody is there to type a password.", "Give --password-file FILE, or KHMARA_OWNER_PASSWORD.");

  let cookie = "";
  const client = createClient({
    baseUrl: endpoint,
    headers: () => ({ "user-agent": `khmara-cli on ${hostname()}`, ...(cookie && { cookie }) }),
    // Node's fetch keeps no cookies.
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      const set = response.headers.getSetCookie().map((one) => one.split(";")[0] as string);
      if (set.length > 0) cookie = set.join("; ");
      return response;
    },
  });
  const signIn = { email, password };
  try {
    await client.sessionCreate(given["code"] === undefined ? signIn : { ...signIn, code: given["code"] });
  } catch (error) {
    if (!CloudError.is(error, "unauthenticated") || error.details.reason !== "second_factor_required" || !terminal.interactive)
      throw error;
    const code = (await ask(terminal, "Code of the authenticator app, or a recovery code: ")).replaceAll(" ", "");
    await client.sessionCreate({ ...signIn, ...(/^\d{6}$/.test(code) ? { code } : { recoveryCode: code }) });
  }
  try {
    const made = await client.apiTokenCreate({ name: `CLI on ${hostname()}`.slice(0, 100) });
    return { token: made.token, tokenId: made.id };
  } finally {
    await client.sessionDelete({ session: "current" }).catch(() => {});
  }
}

function report(
  terminal: Terminal,
  name: string,
  profile: Profile,
  identity: Identity,
  options: { json: boolean; quiet: boolean },
): void {
  if (options.json) terminal.out(`${JSON.stringify(identity, null, 2)}\n`);
  if (options.json || options.quiet) return;
  const place = [profile.organisation?.slug, profile.project?.slug].filter(Boolean).join(" / ");
  terminal.out(
    `Signed in to ${profile.endpoint} as ${profile.email ?? identity.principal.name}${name === "default" ? "" : ` (profile ${name})`}.\n`,
  );
  if (place) terminal.out(`Commands use ${place} unless you say otherwise.\n`);
  if (identity.organisations.length > 1 && !profile.organisation) {
    const slugs = identity.organisations.map((one) => one.slug);
    terminal.out(`You are in ${slugs.length} organisations. Keep one: khmara profile set --organisation ${slugs[0]}\n`);
  } else if (!profile.project && identity.organisations.some((one) => one.projects.length > 1)) {
    terminal.out("There are several projects. Keep one: khmara profile set --project SLUG\n");
  }
}

const revoke = (profile: Profile): Promise<unknown> =>
  clientWith(profile.endpoint, profile.token).apiTokenDelete({ apiToken: profile.tokenId as string });

export async function logout(words: string[], terminal: Terminal): Promise<number> {
  const { flags } = readFlags(words, takesValue, known);
  const options = readOptions(flags);
  if (options.help) {
    terminal.out("Revoke the token of a profile and forget it.\n\nUsage: khmara logout [--profile NAME]\n");
    return 0;
  }
  const { profile, profileName } = settings(terminal.env, options);
  if (!profile?.token) {
    if (!options.quiet) terminal.note(`You are not signed in${profileName === "default" ? "" : ` (profile ${profileName})`}.\n`);
    return 0;
  }
  let warning: string | undefined;
  if (profile.tokenId === undefined)
    warning = "The token was made elsewhere and still works; revoke it in the console if you no longer need it.";
  else {
    try {
      await revoke(profile);
    } catch (error) {
      // Gone already is what was wanted; otherwise the person must know that the token still works.
      if (!CloudError.is(error, "unauthenticated") && !CloudError.is(error, "not_found")) {
        warning = `The token could not be revoked (${(error as Error).message}). Revoke it in the console.`;
      }
    }
  }
  const { token: _token, tokenId: _tokenId, ...rest } = profile;
  saveProfile(terminal.env, profileName, rest);
  if (warning) terminal.note(`${warning}\n`);
  if (!options.quiet) terminal.out(`Signed out of ${profile.endpoint}.\n`);
  return 0;
}
