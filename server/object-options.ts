import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { ObjectClusterConfig } from "../kernel/config.ts";
import type { Given } from "./option-values.ts";
import { errorCode, StartError } from "./start-error.ts";

interface ObjectOptions {
  objectCluster?: Given;
  objectClusterKeys?: Given;
  objectEngine?: Given;
}

/** The storage cluster, where there is one: `https://host:port/bucket`, with `?region=` where it asks for one. */
export function clusterSettings(given: ObjectOptions): ObjectClusterConfig | undefined {
  const { objectCluster, objectClusterKeys: keys, objectEngine: engine } = given;
  if (engine !== undefined && engine.value !== "local" && engine.value !== "cluster")
    throw new StartError(`${engine.from} is ${engine.value}. Give local (disks of this machine) or cluster.`);
  if (objectCluster === undefined) {
    const lonely = keys ?? (engine?.value === "cluster" ? engine : undefined);
    if (lonely === undefined) return undefined;
    throw new StartError(
      `${lonely.from} is for a storage cluster. Add --object-cluster https://host:port/bucket, or leave it out.`,
    );
  }
  const url = URL.parse(objectCluster.value);
  const bucket = url?.pathname.replace(/^\/|\/$/g, "") ?? "";
  if (url === null || !["http:", "https:"].includes(url.protocol) || !/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket))
    throw new StartError(
      `${objectCluster.from} is not the address of a bucket. Give one like https://rgw.example.org:443/khmara.`,
    );
  if (keys === undefined)
    throw new StartError(
      "A storage cluster asks for keys. Add --object-cluster-keys FILE, a file with ACCESS-KEY-ID:SECRET-KEY.",
    );
  readClusterKeys(keys.value, keys.from);
  return {
    endpoint: url.origin,
    bucket,
    region: url.searchParams.get("region") ?? "us-east-1",
    keysFile: resolve(keys.value),
    engine: engine?.value === "cluster" ? "cluster" : "local",
  };
}

/** `ACCESS-KEY-ID:SECRET-KEY` on the first line; StartError where there is none. */
export function readClusterKeys(file: string, from = "--object-cluster-keys"): { accessKeyId: string; secretAccessKey: string } {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new StartError(`The keys ${file} cannot be read (${errorCode(error)}). Check ${from}.`, { cause: error });
  }
  const [, accessKeyId, secretAccessKey] = /^([^\s:]+):(\S+)\s*$/m.exec(text) ?? [];
  if (accessKeyId === undefined || secretAccessKey === undefined)
    throw new StartError(`${file} has no line ACCESS-KEY-ID:SECRET-KEY. Check ${from}.`);
  return { accessKeyId, secretAccessKey };
}
