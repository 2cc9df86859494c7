import { randomBytes } from "node:crypto";
import { CloudError } from "../../../kernel/errors.ts";
import { newId } from "../../../kernel/ids.ts";
import type { ImagesPart, ImageView, NetworksPart, PortView, VolumesPart } from "../parts.ts";

/** Parts in memory, for tests of the others: they keep no records, so nothing of them is rolled back. */
export interface StandIns {
  images: ImagesPart & { add(image: ImageView): void };
  networks: NetworksPart & {
    applied: string[];
    failNext(error: Error): void;
    held: Map<string, PortView[]>;
    /** What cards are put on; a real one where the engine is real. */
    bridge: string;
  };
  volumes: VolumesPart & { freed: string[] };
}

export function standIns(): StandIns {
  const all = new Map<string, ImageView>();
  const held = new Map<string, PortView[]>();
  const applied: string[] = [];
  const freed: string[] = [];
  let counter = 0;
  let failing: Error | undefined;
  const parts: StandIns = {
    images: {
      add: (image) => void all.set(image.id, image),
      async resolve(_tx, _place, idOrName) {
        const found = [...all.values()].find(({ id, name }) => id === idOrName || name === idOrName);
        if (found) return found;
        throw new CloudError("not_found", `There is no image ${idOrName} for this project.`, { details: { resource: "image" } });
      },
      find: async (_tx, id) => all.get(id),
    } as Partial<StandIns["images"]> as StandIns["images"],
    networks: {
      bridge: "br-test",
      applied,
      held,
      failNext(error) {
        failing = error;
      },
      async createPorts(_tx, { instanceId, networkIds }) {
        const networkId = networkIds[0] ?? newId("network");
        const number = ++counter;
        const macAddress = `02:${randomBytes(5).toString("hex").match(/../g)?.join(":")}`;
        const port: PortView = {
          id: newId("port"),
          instanceId,
          networkId: networkId as PortView["networkId"],
          networkName: "default",
          ipv4: `10.0.${number >> 8}.${number & 255}`,
          macAddress,
          floatingAddress: undefined,
          securityGroupIds: [],
          interface: {
            device: "eth0",
            bridge: parts.networks.bridge,
            macAddress,
            hostDevice: `kh${macAddress.replaceAll(":", "").slice(2)}`,
          },
        };
        held.set(instanceId, [port]);
        return [port];
      },
      ports: async (_tx, instanceIds) => new Map(instanceIds.map((id) => [id, held.get(id) ?? []])),
      deletePorts: async (_tx, instanceId) => void held.delete(instanceId),
      rename: async () => {},
      async apply(projectId) {
        const error = failing;
        failing = undefined;
        if (error) throw error;
        applied.push(projectId);
      },
      connect: () => Promise.reject(new CloudError("unavailable", "Nothing listens there.")),
    } as Partial<StandIns["networks"]> as StandIns["networks"],
    volumes: {
      freed,
      attachments: async () => [],
      drillCopies: async () => [],
      instanceDeleted: async (_tx, instanceId) => void freed.push(instanceId),
    } as Partial<StandIns["volumes"]> as StandIns["volumes"],
  };
  return parts;
}
