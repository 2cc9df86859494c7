import type { ReleaseProcess } from "../parts.ts";
import type { Capability } from "./contract.ts";

/** What a deployment is to do, as its record keeps it. Nothing in it is a secret. */
export type DeploymentRequest =
  /** Source code: an archive, or a folder of ours, below `uploads`. */
  | ({ what: "source"; from: "archive" | "folder" } & CopyFirst)
  /** A tarball of `docker save` below `uploads`. */
  | ({ what: "imageFile" } & ImageSettings)
  /** A public image, as Docker calls it in full: `docker.io/library/nginx:1`. */
  | ({ what: "imagePull"; reference: string } & ImageSettings & CopyFirst)
  /** Of the cloud's own registry: what the name was when it was asked for. `appId` is whose repository it lies in. */
  | ({ what: "registry"; appId: string; digest: string } & ImageSettings)
  /** What an earlier release was, with its settings. */
  | { what: "again"; releaseId: string }
  /** What an earlier release was, with the settings of now. */
  | { what: "settings"; releaseId: string };

export interface ImageSettings {
  port?: number | undefined;
  healthPath?: string | undefined;
  /** Absent: what the image starts, as `web`. */
  processes?: Record<string, ReleaseProcess> | undefined;
  /** How long after its start it may be unhealthy. */
  startSeconds?: number | undefined;
  capabilities?: Capability[] | undefined;
}

/**
 * A backup (services/apps/backups) that is made of the disks when what ran before has stopped; when the new release does not come up, they are put back as
 * they were then.
 */
export interface CopyFirst {
  backupId?: string | undefined;
}

/** Those that take long wait for a place of their own (kernel/operations/runner.ts, `long`). */
export const kindOf = (request: DeploymentRequest): "build" | "release" =>
  request.what === "again" || request.what === "settings" ? "release" : "build";
