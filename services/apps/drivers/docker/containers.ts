import { setTimeout as sleep } from "node:timers/promises";
import { CloudError } from "../../../../kernel/errors.ts";
import type { AppEngine, CallOptions, ContainerReport, ContainerSpec, ContainerState, ExitReport } from "../../driver.ts";
import { at } from "./client.ts";
import { containerSettings, type StreamSettings } from "./containerSettings.ts";
import { cancelled } from "./engineError.ts";
import { putFiles } from "./files.ts";
import { type EngineContainer, findContainer, needContainer } from "./lookup.ts";
import { endpointOf } from "./networks.ts";
import { absent, different, type Engine, type EngineLabels, foreign, labelKeys, labelsIn, nameIn } from "./ownership.ts";

export type Containers = Pick<
  AppEngine,
  | "containerCreate"
  | "containerStart"
  | "containerStop"
  | "containerKill"
  | "containerRemove"
  | "containerGet"
  | "containerList"
  | "containerWait"
>;

/** The engine waits for the container before it answers. */
const marginMs = 30_000;
const longestPauseMs = 5_000;

export function createContainers(engine: Engine): Containers {
  const { client, ownership } = engine;
  const find = (name: string, options?: CallOptions) => findContainer(engine, ownership.engineName(name), options);
  const need = (name: string, options?: CallOptions) => needContainer(engine, name, options);

  return {
    async containerCreate(spec, options) {
      const id = await makeContainer(engine, spec, { attached: false, terminal: false }, options);
      const made = await findContainer(engine, id, options);
      if (made === undefined) throw absent("container", spec.name);
      return reportOf(made, ownership);
    },

    async containerStart(name, options) {
      const { Id } = await need(name, options);
      // 304 of one that runs.
      await client.post(at`/containers/${Id}/start`, undefined, { signal: options?.signal, timeoutMs: 120_000 });
    },

    async containerStop(name, options = {}) {
      const { Id } = await need(name, options);
      const { timeoutSeconds, signal } = options;
      // Whatever its own patience is: it is not told here.
      const timeoutMs = timeoutSeconds === undefined ? 0 : timeoutSeconds * 1000 + marginMs;
      await client.post(at`/containers/${Id}/stop`, undefined, { query: { t: timeoutSeconds }, signal, timeoutMs });
    },

    async containerKill(name, options = {}) {
      const { Id } = await need(name, options);
      const { signalName = "SIGKILL", signal } = options;
      try {
        await client.post(at`/containers/${Id}/kill`, undefined, { query: { signal: signalName }, signal });
      } catch (error) {
        if (!CloudError.is(error, "failed_precondition")) throw error;
      }
    },

    async containerRemove(name, options) {
      const container = await find(name, options);
      if (container !== undefined) await removeContainer(engine, container.Id, options);
    },

    async containerGet(name, options) {
      const container = await find(name, options);
      return container === undefined ? undefined : reportOf(container, ownership);
    },

    async containerList(options) {
      const query = { all: true, filters: ownership.filter() };
      const containers = await client.get<
        {
          Id: string;
          ImageID: string;
          State: string;
          Labels: EngineLabels;
          Created: number;
          NetworkSettings: EngineContainer["NetworkSettings"];
        }[]
      >("/containers/json", { query, signal: options?.signal });
      return containers.map(({ Id, ImageID, State, Labels, Created, NetworkSettings }) => ({
        name: nameIn(Labels),
        id: Id,
        image: ImageID,
        state: State as ContainerState,
        labels: labelsIn(Labels),
        createdAt: new Date(Created * 1000),
        addresses: addressesOf(NetworkSettings, ownership),
      }));
    },

    async containerWait(name, options) {
      const { Id } = await need(name, options);
      return waitForExit(engine, Id, name, options);
    },
  };
}

/** Its id; what is there already is taken where it was made from the same specification, and put right where its making had stopped. */
export async function makeContainer(
  engine: Engine,
  spec: ContainerSpec,
  streams: StreamSettings,
  options?: CallOptions,
): Promise<string> {
  const { client, ownership } = engine;
  const settings = containerSettings(spec, ownership, streams) as { Labels: Record<string, string> };
  const engineName = ownership.engineName(spec.name);
  const signal = options?.signal;
  for (let round = 0; ; round++) {
    const there = await client.find<EngineContainer>(at`/containers/${engineName}/json`, { signal });
    if (there !== undefined) {
      if (!ownership.isOurs(there.Config.Labels)) throw foreign("container", engineName);
      if (there.Config.Labels?.[labelKeys.specification] !== settings.Labels[labelKeys.specification])
        throw different("container", spec.name);
      await connectOthers(there);
      // Whoever made it may have ended before they were in it.
      if (there.State.Status === "created") await putFiles(client, there.Id, spec.files ?? [], { signal });
      return there.Id;
    }
    await checkParts();
    try {
      const { Id } = await client.post<{ Id: string }>("/containers/create", settings, { query: { name: engineName }, signal });
      const made = await client.get<EngineContainer>(at`/containers/${Id}/json`, { signal });
      await connectOthers(made);
      await putFiles(client, Id, spec.files ?? [], { signal });
      return Id;
    } catch (error) {
      // Somebody was quicker. One that is just being made has its name already, and cannot be found yet.
      const again = CloudError.is(error, "already_exists") && error.details.reason === "engine_already_exists";
      if (!again || round === 100) throw error;
      await sleep(100, undefined, { signal }).catch((reason) => Promise.reject(cancelled("create", reason)));
    }
  }

  /** A volume that is not there would be made by the engine, without a label; an image might be somebody else's. */
  async function checkParts(): Promise<void> {
    const image = await client.find<{ Config: { Labels: EngineLabels } | null }>(at`/images/${spec.image}/json`, { signal });
    if (image === undefined || !ownership.isOurs(image.Config?.Labels)) throw absent("image", spec.image);
    for (const { volume } of spec.mounts) {
      const found = await client.find<{ Labels: EngineLabels }>(at`/volumes/${ownership.engineName(volume)}`, { signal });
      if (found === undefined || !ownership.isOurs(found.Labels)) throw absent("volume", volume);
    }
    for (const { name } of spec.networks) {
      const found = await client.find<{ Labels: EngineLabels }>(at`/networks/${ownership.engineName(name)}`, { signal });
      if (found === undefined || !ownership.isOurs(found.Labels)) throw absent("network", name);
    }
  }

  async function connectOthers({ Id, NetworkSettings }: EngineContainer): Promise<void> {
    for (const network of spec.networks.slice(1)) {
      const name = ownership.engineName(network.name);
      if (name in NetworkSettings.Networks) continue;
      await client
        .post(at`/networks/${name}/connect`, { Container: Id, EndpointConfig: endpointOf(network) }, { signal })
        .catch((error) => {
          if (!CloudError.is(error, "already_exists")) throw error;
        });
    }
  }
}

export async function removeContainer({ client }: Engine, id: string, options?: CallOptions): Promise<void> {
  for (let round = 0; ; round++) {
    try {
      await client.delete(at`/containers/${id}`, {
        query: { force: true, v: true },
        signal: options?.signal,
        timeoutMs: 120_000,
      });
      return;
    } catch (error) {
      // The engine does it already, for itself (AutoRemove) or for somebody else.
      if (!CloudError.is(error, "conflict") || round === 50) throw error;
      await sleep(100, undefined, { signal: options?.signal }).catch((reason) => Promise.reject(cancelled("remove", reason)));
    }
  }
}

async function waitForExit(engine: Engine, id: string, name: string, options?: CallOptions): Promise<ExitReport> {
  const { client } = engine;
  const signal = options?.signal;
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      const before = await findContainer(engine, id, options);
      if (before === undefined) throw absent("container", name);
      const { State } = before;
      if (State.Status === "exited" || State.Status === "dead") return { exitCode: State.ExitCode, outOfMemory: State.OOMKilled };
      const condition = State.Status === "created" ? "next-exit" : "not-running";
      await client.post(at`/containers/${id}/wait`, undefined, { query: { condition }, signal, timeoutMs: 0 });
      pauseMs = 100;
    } catch (error) {
      if (!CloudError.is(error, "unavailable")) throw error;
    }
    // Between two tries of the engine's own policy it is neither: asked again, not in a circle.
    await sleep(pauseMs === 100 ? 10 : pauseMs, undefined, { signal }).catch((reason) =>
      Promise.reject(cancelled("wait", reason)),
    );
  }
}

const zero = "0001-01-01T00:00:00Z";
const timeOf = (text: string): Date | undefined => (text === zero || text === "" ? undefined : new Date(text));

function reportOf(container: EngineContainer, ownership: Engine["ownership"]): ContainerReport {
  const { State, Config } = container;
  const ended = timeOf(State.FinishedAt) !== undefined;
  const health = State.Health?.Status;
  return {
    name: nameIn(Config.Labels),
    id: container.Id,
    image: container.Image,
    state: State.Status as ContainerState,
    labels: labelsIn(Config.Labels),
    createdAt: new Date(container.Created),
    startedAt: timeOf(State.StartedAt),
    finishedAt: timeOf(State.FinishedAt),
    exitCode: ended && State.Status !== "running" ? State.ExitCode : undefined,
    outOfMemory: State.OOMKilled,
    problem: State.Error === "" ? undefined : State.Error,
    restarts: container.RestartCount,
    health: health === "starting" || health === "healthy" || health === "unhealthy" ? health : undefined,
    addresses: addressesOf(container.NetworkSettings, ownership),
  };
}

const addressesOf = ({ Networks }: EngineContainer["NetworkSettings"], ownership: Engine["ownership"]): Record<string, string> =>
  Object.fromEntries(
    Object.entries(Networks).flatMap(([engineName, { IPAddress }]) => {
      const name = ownership.nameOf(engineName);
      return name === undefined || IPAddress === "" ? [] : [[name, IPAddress]];
    }),
  );
