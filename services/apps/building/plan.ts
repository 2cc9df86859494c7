/** How an app is built and run: what detection finds out, and what the Dockerfile and the release are made of. */

import { invalid } from "../../../kernel/errors.ts";
import type { Runtime } from "../baseImages/recipes.ts";
import type { Capability } from "../deploying/contract.ts";
import type { LinkKind } from "../linking/contract.ts";

export const planKinds = ["dockerfile", "node", "python", "go", "php", "static", "base"] as const;
export type PlanKind = (typeof planKinds)[number];

export interface BaseImage {
  runtime: Runtime;
  version: string;
}

/** One layer of the image. */
export interface BuildStep {
  /** For the log: "install dependencies". */
  name: string;
  /** For `sh -e`. */
  command: string;
}

export interface ProcessPlan {
  /** For a shell; `$PORT` is set. Absent (of a Dockerfile): what the image starts. */
  command?: string;
  /** How it is scaled when it is new. */
  count?: number;
  memoryBytes?: number;
  cpus?: number;
  /** What asks it to end its work; SIGTERM unless said. */
  stopSignal?: "SIGQUIT" | "SIGWINCH";
}

export interface HealthCheck {
  /** The answer to a GET must be 2xx or 3xx. Absent: the port must accept connections. */
  path?: string;
  intervalSeconds: number;
  timeoutSeconds: number;
  /** So long after the start may it fail. */
  startSeconds: number;
}

export interface Mount {
  name: string;
  path: string;
  sizeGigabytes: number;
}

export interface CronJob {
  name: string;
  /** Five fields (crontab(5)). */
  schedule: string;
  /** Absent: UTC. */
  timeZone?: string | undefined;
  command: string;
  /** Absent: an hour. */
  timeoutSeconds?: number | undefined;
  /** When it is due while the one before still runs; absent: skip. */
  concurrency?: "skip" | "allow" | undefined;
}

export interface Setting {
  /** Given when nobody sets another; never a secret. */
  value?: string;
  description?: string;
  required: boolean;
  /** Made once, at random, when the app is created. */
  generate: boolean;
}

/** Everything about running, the same whichever way the image is built. */
export interface RunPlan {
  processes: Record<string, ProcessPlan>;
  /** Where `web` listens. */
  port: number;
  /** Run in the new image before traffic goes to it. */
  releaseCommand?: string;
  healthCheck: HealthCheck;
  mounts: Mount[];
  cron: CronJob[];
  settings: Record<string, Setting>;
  /** What its containers keep of root's rights. */
  capabilities: Capability[];
  /** As whom they run; absent: as the image says. */
  user?: string;
  /** What has to be linked before it can run. */
  links: { kind: LinkKind; prefix?: string | undefined }[];
}

export interface DockerfilePlan extends RunPlan {
  kind: "dockerfile";
  /** In the source. */
  dockerfile: string;
  /** Of a build with several (`FROM … AS name`). */
  target?: string;
  buildArguments: Record<string, string>;
  warnings: string[];
  explanation: string[];
}

export interface GeneratedPlan extends RunPlan {
  kind: Exclude<PlanKind, "dockerfile">;
  /** Where it is built. */
  base: BaseImage;
  /** Where it runs, when that is another one. */
  runBase?: BaseImage;
  /** Debian packages at run time (and while building). */
  packages: string[];
  /** Debian packages while building alone. */
  buildPackages: string[];
  /** Files that the installation of dependencies reads; "all": it may read anything of the source. */
  dependencyFiles: string[] | "all";
  /** Run with the dependency files alone, so that a change of code does not repeat them. */
  install: BuildStep[];
  /** Run with all of the source. */
  build: BuildStep[];
  /** Folders that hold dependencies and nothing else: a layer of their own, which releases share. Relative to the app's folder. */
  dependencyFolders: string[];
  /** What is taken into the image that runs; absent: the whole folder. Relative. */
  output?: string;
  environment: Record<string, string>;
  buildEnvironment: Record<string, string>;
  /** Settings of a web server, by their path in the image. */
  configuration: Record<string, string>;
  warnings: string[];
  /** For the log of the build: what was found and what follows from it. */
  explanation: string[];
}

export type BuildPlan = DockerfilePlan | GeneratedPlan;

export const defaultPort = 8080;
export const defaultHealthCheck: HealthCheck = { intervalSeconds: 5, timeoutSeconds: 5, startSeconds: 60 };

export const emptyPlan = (kind: GeneratedPlan["kind"], base: BaseImage): GeneratedPlan => ({
  kind,
  base,
  packages: [],
  buildPackages: [],
  dependencyFiles: [],
  install: [],
  build: [],
  dependencyFolders: [],
  environment: {},
  buildEnvironment: {},
  configuration: {},
  processes: {},
  port: defaultPort,
  healthCheck: defaultHealthCheck,
  mounts: [],
  cron: [],
  settings: {},
  capabilities: [],
  links: [],
  warnings: [],
  explanation: [],
});

/** What the source says cannot be built. The first words name the file. */
export const cannotBuild = (file: string, message: string) => invalid(file, `${file}: ${message}`);
