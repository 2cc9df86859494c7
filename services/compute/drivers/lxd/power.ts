import { CloudError } from "../../../../kernel/errors.ts";
import type { CallOptions, ComputeDriver, PowerState } from "../../driver.ts";
import { at } from "./client.ts";
import { isCard, powerStateOf } from "./configuration.ts";
import { deadlines, type Engine, getInstance, isAbsent, noInstance, refused, settings, whenFree, wordsOf } from "./engine.ts";
import { withRoom } from "./room.ts";

type Action = "start" | "stop" | "restart" | "freeze" | "unfreeze";

export type Power = Pick<
  ComputeDriver,
  "instanceStart" | "instanceStop" | "instanceRestart" | "instanceFreeze" | "instanceUnfreeze"
>;

export function createPower(engine: Engine): Power {
  const power: Power = {
    async instanceStart(name, options) {
      try {
        await start(engine, name, options);
      } catch (error) {
        if (!isPowerState(error)) throw error;
        const state = await stateOf(engine, name, options);
        if (state === "frozen") await power.instanceUnfreeze(name, options);
        else if (state !== "running") throw error;
      }
    },

    async instanceStop(name, options) {
      const { timeoutSeconds } = options;
      if (timeoutSeconds > 0) {
        try {
          await change(engine, name, "stop", options, { timeout: timeoutSeconds });
          return;
        } catch (error) {
          if (await isStopped(error, name, options)) return;
          if (isAbsent(error) || CloudError.is(error, "cancelled") || CloudError.is(error, "unavailable")) throw error;
          engine.log.debug({ error, name }, "it did not shut down in time");
        }
      }
      try {
        await change(engine, name, "stop", options, { force: true });
      } catch (error) {
        if (!(await isStopped(error, name, options))) throw error;
      }
    },

    async instanceRestart(name, options) {
      // The engine's own restart leaves it off when the start fails; so does this, and it repairs what it can.
      await power.instanceStop(name, options);
      await power.instanceStart(name, options);
    },

    async instanceFreeze(name, options) {
      await reach("frozen", name, "freeze", options);
    },
    async instanceUnfreeze(name, options) {
      await reach("running", name, "unfreeze", options);
    },
  };

  async function isStopped(error: unknown, name: string, options: CallOptions): Promise<boolean> {
    // On a disk that is full to the last byte the engine stops it, and then fails to tidy up.
    if (!isPowerState(error) && !CloudError.is(error, "storage_full")) return false;
    return (await stateOf(engine, name, options)) === "stopped";
  }

  async function reach(state: PowerState, name: string, action: Action, options?: CallOptions): Promise<void> {
    try {
      await change(engine, name, action, options);
    } catch (error) {
      const now = isAbsent(error) ? undefined : await stateOf(engine, name, options).catch(() => undefined);
      if (now === state) return;
      if (now === "stopped") throw refused(`The instance ${name} does not run.`, "engine_power_state", error);
      throw error;
    }
  }

  return power;
}

const isPowerState = (error: unknown): boolean =>
  CloudError.is(error, "failed_precondition") && error.details.reason === "engine_power_state";

export async function stateOf(engine: Engine, name: string, options?: CallOptions): Promise<PowerState> {
  return powerStateOf((await getInstance(engine, name, options)).status);
}

async function change(
  engine: Engine,
  name: string,
  action: Action,
  options: CallOptions | undefined,
  how: { timeout?: number; force?: boolean } = {},
): Promise<void> {
  const body = { action, timeout: how.timeout ?? -1, force: how.force ?? false, stateful: false };
  const withinMs = (how.timeout ?? 0) * 1000 + deadlines.start;
  try {
    await whenFree(() => engine.client.put(at`/1.0/instances/${name}/state`, body, settings(options, withinMs)), options);
  } catch (error) {
    throw isAbsent(error) ? noInstance(name, error) : error;
  }
}

/** With the repairs that a start may need, each once. */
async function start(engine: Engine, name: string, options?: CallOptions): Promise<void> {
  const tried = new Set<string>();
  for (;;) {
    try {
      return await withRoom(engine, "instance", name, () => change(engine, name, "start", options), options);
    } catch (error) {
      const repair = repairs.find(({ words }) => words.test(wordsOf(error)));
      if (repair === undefined || tried.has(repair.name)) throw startFailure(name, error);
      tried.add(repair.name);
      engine.log.info({ name, repair: repair.name, error }, "a start failed and is repaired");
      if (!(await repair.apply(engine, name, options))) throw startFailure(name, error);
    }
  }
}

interface Repair {
  name: string;
  words: RegExp;
  apply(engine: Engine, name: string, options?: CallOptions): Promise<boolean>;
}

const repairs: Repair[] = [
  {
    name: "cards that a failed start left behind",
    words: /veth|ip link add.*File exists/is,
    async apply({ host, ...engine }, name, options) {
      const { devices, location } = await getInstance({ host, ...engine }, name, options);
      if (host === undefined || !(location === host.member || location === "none")) return false;
      for (const { host_name: link } of Object.values(devices).filter(isCard))
        if (link !== undefined) await host.removeLink(link);
      return true;
    },
  },
];

/** That it cannot start is not to be mistaken for its not being there, whatever the engine's words were about. */
function startFailure(name: string, error: unknown): unknown {
  const words = wordsOf(error);
  if (isAbsent(error) || words === "") return error;
  if (/parent.*(doesn't|does not) exist|Missing parent|bridge .*not found/i.test(words))
    return refused(
      `The instance ${name} cannot start: the bridge of one of its networks is missing on the machine that it is on. Of a cluster's other members: they get it when all of them are online; or move the instance to where Khmara runs. Then start it.`,
      "bridge_missing",
      error,
    );
  if (/\bnft\b|ebtables|setup host filters|firewall/i.test(words))
    return refused(
      `The instance ${name} cannot start: the member that it is on cannot filter what its cards send (nftables with bridge tables), without which it could speak under addresses of others. Load nf_tables there, or move the instance.`,
      "filter_missing",
      error,
    );
  if (/(disk|volume|source).*(not found|doesn't exist|missing)|Missing source/i.test(words))
    return refused(
      `The instance ${name} cannot start: an attached volume is missing. Detach it, then start the instance.`,
      "volume_missing",
      error,
    );
  if (/idmaps? .*not identical/i.test(words))
    return refused(
      `The instance ${name} cannot start: a volume of it is in use by another instance. Detach it from one of them.`,
      "volume_shared",
      error,
    );
  if (/uid\/gid|subuid|subgid/i.test(words))
    return refused(
      "The host has no user ids left for another container. Give root a larger range in /etc/subuid and /etc/subgid.",
      "ids_used_up",
      error,
    );
  if (CloudError.is(error, "not_found"))
    return refused(`The instance ${name} cannot start: something that it needs is missing.`, "start_failed", error);
  return error;
}
