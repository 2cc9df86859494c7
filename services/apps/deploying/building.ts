/** From source code in a folder to an image in the engine. */
import { aptProxies } from "../../../kernel/distribution/mirrors.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { buildContext } from "../building/buildContext.ts";
import { planBuild } from "../building/detection.ts";
import { dependencyFingerprint, keepsCache } from "../building/dockerfile.ts";
import { judgeDockerfile, judgeTriggers } from "../building/dockerfileImages.ts";
import { exposedPort } from "../building/dockerfileLint.ts";
import { manifestFile, readManifest } from "../building/manifest.ts";
import type { BaseImage, BuildPlan, DockerfilePlan, RunPlan } from "../building/plan.ts";
import type { AppEngine, BuildLimits, ImageReport } from "../driver.ts";
import type { CallOptions, ReleaseProcess, ReleaseView } from "../parts.ts";
import { openSourceTree, type SourceTree } from "../source/tree.ts";
import type { Bases } from "./bases.ts";
import type { Capability } from "./contract.ts";

/** What a build says of how its image runs; kept with the release. */
export interface RunFacts {
  runtime: string;
  port: number;
  healthCheck: ReleaseView["healthCheck"];
  processes: Record<string, ReleaseProcess>;
  releaseCommand?: string | undefined;
  disks: { name: string; path: string }[];
  settings: RunPlan["settings"];
  capabilities: Capability[];
  user?: string | undefined;
  /** What runs by the clock. */
  cron?: RunPlan["cron"];
  /** What has to be linked. */
  links?: RunPlan["links"];
}

export interface BuiltApp extends RunFacts {
  imageId: string;
  imageBytes: number;
}

/** Each build's own; three run at once in a process (`long` in kernel/operations/runner.ts). */
export const buildLimits: BuildLimits = {
  memoryBytes: 2 * 1024 ** 3,
  cpus: 2,
  processes: 512,
  seconds: 30 * 60,
  diskBytes: 10 * 1024 ** 3,
};

/** Of one build alone: neither neighbours nor what runs is in it. */
export const buildNetworkOf = (deploymentId: string) => ({
  name: `build-${deploymentId}`,
  labels: { role: "build", deployment: deploymentId },
  internal: false,
});
const removalMs = 30_000;
export const imageNameOf = (appId: string, deploymentNumber: number): string => `app/${appId}:d${deploymentNumber}`;
export const imageLabelsOf = (appId: string, deploymentId: string) => ({ app: appId, deployment: deploymentId });
export const cacheNameOf = (appId: string): string => `app/${appId}:cache`;
/** What the newest cache was made with: the same again gives the same layers. */
const cacheBeforeOf = (appId: string): string => `app/${appId}:cache-before`;
export const cacheNamesOf = (appId: string): string[] => [cacheNameOf(appId), cacheBeforeOf(appId)];

export interface BuildOptions {
  /** For the log of the deployment. */
  onLine(line: string): void;
  signal: AbortSignal;
  folder: string;
  appId: string;
  deploymentId: string;
  deploymentNumber: number;
  /** Once it is known what is built, before the work begins; throws to refuse it. */
  onPlan(facts: RunFacts): Promise<void>;
  limits?: BuildLimits;
}

/** Errors are those of planBuild, judgeDockerfile, Bases and imageBuild. */
export async function buildApp(engine: AppEngine, bases: Bases, options: BuildOptions): Promise<BuiltApp> {
  const { folder, signal } = options;
  const tree = await openSourceTree(folder);
  const plan = planBuild(tree);
  for (const line of plan.explanation) options.onLine(line);
  for (const line of plan.warnings) options.onLine(`Warning: ${line}`);
  await options.onPlan(factsOf(plan));
  const network = buildNetworkOf(options.deploymentId);
  await engine.networkCreate(network, { signal });
  try {
    return await buildPlan(engine, bases, tree, plan, options);
  } finally {
    // What cannot go yet is swept later.
    await engine.networkRemove(network.name, { signal: AbortSignal.timeout(removalMs) }).catch(() => {});
  }
}

async function buildPlan(
  engine: AppEngine,
  bases: Bases,
  tree: SourceTree,
  plan: BuildPlan,
  options: BuildOptions,
): Promise<BuiltApp> {
  const { folder, appId, deploymentId, signal } = options;
  const onLine = (line: string) => options.onLine(line);
  const say = onLine;
  const call = { signal, onLine };
  const limits = options.limits ?? buildLimits;
  const common = {
    network: buildNetworkOf(deploymentId).name,
    cache: true,
    limits,
  };
  const name = imageNameOf(appId, options.deploymentNumber);
  const labels = imageLabelsOf(appId, deploymentId);
  if (plan.kind === "dockerfile") {
    const text = await ownDockerfile(plan, tree, bases, call);
    const context = buildContext(plan, { folder, tree, dockerfileText: text, signal });
    say("--> building the Dockerfile");
    const { image } = await engine.imageBuild(
      {
        ...common,
        name,
        labels,
        dockerfile: context.dockerfile,
        arguments: { ...(await proxies()), ...context.buildArguments },
        ...(context.target === undefined ? {} : { target: context.target }),
      },
      context.context(),
      call,
    );
    return { ...factsOf(plan), ...imageFacts(image), port: portOf(plan, tree, image) };
  }

  const wanted = plan.runBase === undefined ? [plan.base] : [plan.base, plan.runBase];
  const references = new Map<string, string>();
  for (const base of wanted) references.set(keyOf(base), referenceOf(await bases.base(base, call), keyOf(base)));
  const imageOf = (base: BaseImage) => references.get(keyOf(base)) as string;
  Object.assign(plan.buildEnvironment, { ...registries(), ...plan.buildEnvironment });
  const fingerprint = dependencyFingerprint(plan, tree, { imageOf });
  const newest = await engine.imageGet(cacheNameOf(appId), { signal });
  const isSame = newest?.labels["fingerprint"] === fingerprint;
  const cache = isSame ? await engine.imageGet(cacheBeforeOf(appId), { signal }) : newest;
  const context = buildContext(plan, {
    folder,
    tree,
    imageOf,
    signal,
    ...(cache === undefined ? {} : { cacheImage: isSame ? referenceOf(cache, "cache-before") : referenceOf(cache, "cache") }),
  });
  const spec = { ...common, dockerfile: context.dockerfile, arguments: await proxies() };
  say("--> building");
  const { image } = await engine.imageBuild(
    { ...spec, name, labels, ...(context.target === undefined ? {} : { target: context.target }) },
    context.context(),
    call,
  );
  if (keepsCache(plan) && context.cacheTarget !== undefined && !isSame) await keepCache(context.cacheTarget);
  return { ...factsOf(plan), ...imageFacts(image) };

  /** The next build's package managers begin with it. A build is not lost because of it. */
  async function keepCache(target: string): Promise<void> {
    try {
      const old = await engine.imageGet(cacheBeforeOf(appId), { signal });
      if (newest) await engine.imageTag(newest.id, cacheBeforeOf(appId), { signal });
      await engine.imageBuild(
        { ...spec, name: cacheNameOf(appId), labels: { app: appId, cache: "1", fingerprint }, target },
        context.context(),
        { signal, onLine: () => {} },
      );
      if (old && old.id !== newest?.id) await engine.imageRemove(old.id, { signal });
    } catch (error) {
      if (signal.aborted) throw error;
      say(`Warning: what was downloaded could not be kept for the next build (${(error as Error).message})`);
    }
  }
}

/** With every image that it names by a name of ours. */
async function ownDockerfile(plan: DockerfilePlan, tree: SourceTree, bases: Bases, call: CallOptions): Promise<string> {
  const judged = judgeDockerfile(tree.read(plan.dockerfile) ?? "", plan.buildArguments);
  const names = new Map<string, string>();
  for (const { image } of judged.images) {
    const report = await bases.named(image, call);
    judgeTriggers(image, report.onBuild);
    names.set(image, referenceOf(report, image));
  }
  return judged.rewrite((image) => names.get(image) as string);
}

const keyOf = ({ runtime, version }: BaseImage): string => `${runtime}:${version}`;

/** A name, as two may have the same content and one may go. */
function referenceOf(image: ImageReport, what: string): string {
  const name = image.names.find((each) => each.endsWith(`:${what}`));
  const prefix = image.reference?.slice(0, image.reference.length - (image.names[0]?.length ?? 0));
  const reference = name === undefined || prefix === undefined ? image.reference : `${prefix}${name}`;
  if (reference === undefined)
    throw new CloudError("unavailable", `The image ${what} is being replaced in the container engine. Try again.`, {
      details: { retryAfterSeconds: 2 },
    });
  return reference;
}

const imageFacts = ({ id, sizeBytes }: ImageReport) => ({ imageId: id, imageBytes: sizeBytes });

/** What the image says it listens on, where neither its Dockerfile nor the manifest does. */
function portOf(plan: DockerfilePlan, tree: SourceTree, image: ImageReport): number {
  const manifest = tree.read(manifestFile);
  const isSaid =
    exposedPort(tree.read(plan.dockerfile) ?? "", plan.target) !== undefined ||
    (manifest !== undefined && readManifest(manifest).port !== undefined);
  return isSaid ? plan.port : (exposedTcpPort(image) ?? plan.port);
}

export function exposedTcpPort({ exposedPorts }: Pick<ImageReport, "exposedPorts">): number | undefined {
  const ports = exposedPorts.flatMap((each) => /^(\d+)\/tcp$/.exec(each)?.[1] ?? []).map(Number);
  return ports.includes(8080) ? 8080 : ports.sort((one, other) => one - other)[0];
}

const titles: Record<BuildPlan["kind"], string> = {
  dockerfile: "Dockerfile",
  node: "Node.js",
  python: "Python",
  go: "Go",
  php: "PHP",
  static: "Static site",
  base: "Debian",
};

function factsOf(plan: BuildPlan): RunFacts {
  const version = plan.kind === "dockerfile" || plan.kind === "static" ? "" : ` ${plan.base.version}`;
  const processes: RunFacts["processes"] = Object.fromEntries(
    Object.entries(plan.processes).map(([name, process]) => [name, { ...process }]),
  );
  return {
    runtime: `${titles[plan.kind]}${version}`,
    port: plan.port,
    healthCheck: plan.healthCheck,
    // A Dockerfile says itself what is started.
    processes: Object.keys(processes).length === 0 ? { web: {} } : processes,
    ...(plan.releaseCommand === undefined ? {} : { releaseCommand: plan.releaseCommand }),
    disks: plan.mounts.map(({ name, path }) => ({ name, path })),
    settings: plan.settings,
    capabilities: plan.capabilities,
    ...(plan.user === undefined ? {} : { user: plan.user }),
    links: plan.links,
    cron: plan.cron,
  };
}

/** As arguments they are in no image and in no cache (Dockerfile reference, "Predefined ARGs"). One of this host alone is of no use in a build. */
async function proxies(): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const line of await aptProxies()) {
    const [, scheme, address] = /^Acquire::(https?)::Proxy "(.+)"$/i.exec(line) ?? [];
    if (scheme !== undefined && address !== undefined) found[`${scheme.toLowerCase()}_proxy`] = address;
  }
  for (const name of ["http_proxy", "https_proxy", "no_proxy"]) {
    const value = process.env[name] ?? process.env[name.toUpperCase()];
    if (value) found[name] = value;
  }
  const useful = Object.entries(found).filter(
    ([name, value]) => name === "no_proxy" || (/^https?:\/\//.test(value) && !isLoopback(value)),
  );
  return Object.fromEntries(
    useful.flatMap(([name, value]) => [
      [name, value],
      [name.toUpperCase(), value],
    ]),
  );
}

const isLoopback = (address: string): boolean => /^https?:\/\/([^@/]*@)?(localhost|127\.|\[::1\])/.test(address);

/** Registries of packages that this host is told to use: mirrors in the house. */
function registries(): Record<string, string> {
  const names = { NPM_CONFIG_REGISTRY: "npm_config_registry", PIP_INDEX_URL: "pip_index_url", GOPROXY: "goproxy" };
  return Object.fromEntries(
    Object.entries(names).flatMap(([name, lower]) => {
      const value = process.env[name] ?? process.env[lower];
      return value && !isLoopback(value) && !/[\n\r]|\/\/[^/]*@/.test(value) ? [[name, value]] : [];
    }),
  );
}
