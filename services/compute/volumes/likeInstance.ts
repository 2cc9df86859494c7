import type { Tx } from "../../../kernel/db/database.ts";
import { invalid } from "../../../kernel/errors.ts";
import type { Id } from "../../../kernel/ids.ts";
import type { InstancesPart } from "../parts.ts";
import { type BackedUpInstance, backupStore } from "./backups/store.ts";

type Like = Omit<Parameters<InstancesPart["create"]>[1], "place" | "actor" | "source">;

/** A new instance like the one that a snapshot or backup is of, but for what the request says. */
export async function likeInstance(
  tx: Tx,
  was: BackedUpInstance,
  body: { name: string; size?: string | undefined; networks: Id<"network">[]; start: boolean },
): Promise<Like> {
  const { vcpus, memoryBytes, diskBytes } = was;
  if (body.size !== undefined) {
    const sizeDisk = await backupStore.diskOfSize(tx, body.size);
    if (sizeDisk === undefined) throw invalid("body.size", `There is no size ${body.size}.`);
    if (sizeDisk < diskBytes) {
      throw invalid(
        "body.size",
        `The disk of the source has ${diskBytes} bytes, that of the size ${body.size} only ${sizeDisk}. Choose a larger size.`,
      );
    }
  }
  return {
    name: body.name,
    kind: was.kind,
    imageId: was.imageId ?? "",
    imageName: was.imageName,
    sizeId: body.size ?? was.sizeId ?? undefined,
    ...(body.size === undefined ? { capacity: { vcpus, memoryBytes, diskBytes } } : {}),
    networkIds: body.networks,
    start: body.start,
  };
}
