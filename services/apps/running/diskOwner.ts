import { CloudError } from "../../../kernel/errors.ts";
import type { AppEngine, CallOptions, ContainerSpec } from "../driver.ts";
import type { Mount } from "./store/containers.ts";

/** `user`: whose the disks are to be; absent: whoever the image runs as. */
export type DiskHelper = Pick<ContainerSpec, "name" | "image" | "labels" | "user">;

const mebibyte = 1024 ** 2;
/** What this process has seen done, by engine. */
const given = new WeakMap<AppEngine, Set<string>>();

const script = `user=$1; shift
for folder; do if [ -z "$(ls -A "$folder")" ]; then chown "$user" "$folder"; fi; done`;

/**
 * A new volume is root's, and programs seldom run as root: while it is empty, it is given to the one that the image runs as. An image
 * without a shell is left to itself. Harmless to repeat. `helper` is the container that does it.
 */
export async function giveDisks(
  engine: AppEngine,
  helper: DiskHelper,
  mounts: readonly Mount[],
  { signal }: CallOptions = {},
): Promise<void> {
  const seen = given.get(engine) ?? new Set<string>();
  given.set(engine, seen);
  const fresh = mounts.filter(({ volume }) => !seen.has(volume));
  if (fresh.length === 0) return;
  const user = helper.user ?? (await engine.imageGet(helper.image, { signal }))?.defaults.user ?? "";
  if (user !== "" && !/^(0|root)(:|$)/.test(user)) {
    let exitCode = await run(engine, helper, user, fresh, signal);
    // The reconciler may have taken it for one that a killed process left.
    if (exitCode === killed) exitCode = await run(engine, helper, user, fresh, signal);
    if (exitCode !== 0 && !noShell.includes(exitCode))
      throw new CloudError(
        "failed_precondition",
        `The disks of the app could not be given to its user ${user} (exit code ${exitCode}).`,
      );
  }
  for (const { volume } of fresh) seen.add(volume);
}

const killed = 137;
const noShell: readonly number[] = [126, 127];

async function run(
  engine: AppEngine,
  helper: DiskHelper,
  user: string,
  mounts: readonly Mount[],
  signal: AbortSignal | undefined,
): Promise<number> {
  const session = await engine.containerRun(
    {
      ...helper,
      user: "0:0",
      workingDirectory: "/",
      entrypoint: ["/bin/sh", "-c"],
      command: [script, "sh", user, ...mounts.map(({ path }) => path)],
      environment: {},
      networks: [],
      mounts: mounts.map(({ volume, path }) => ({ volume, path, readOnly: false })),
      temporaryFolders: [],
      readOnlyRoot: true,
      limits: { memoryBytes: 64 * mebibyte, cpus: 1, processes: 32 },
      capabilities: ["CHOWN"],
      restart: { policy: "never" },
      stop: { signal: "SIGKILL", timeoutSeconds: 1 },
      log: { fileBytes: mebibyte, files: 1 },
      init: false,
    },
    { signal },
  );
  session.stdin.on("error", () => {}).end();
  session.stdout.resume();
  session.stderr.resume();
  return session.exited;
}
