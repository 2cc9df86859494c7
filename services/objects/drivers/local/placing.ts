import type { ClusterContents } from "../cluster/contents.ts";
import type { Files } from "./files.ts";

/** Where new contents of a bucket go: into files, or by way of a temporary file into the cluster. */
export interface Placing {
  files: Files;
  cluster?: ClusterContents | undefined;
}
