import { basename, resolve } from "node:path";
import { Readable } from "node:stream";
import { CloudError } from "../kernel/errors.ts";
import type { Operation } from "../services/operations/contract.ts";
import { type Source, sourceAt } from "./app-source.ts";
import { seeThrough } from "./deployment.ts";
import { idOf } from "./names.ts";
import { appKind } from "./own-commands.ts";
import { TransferProgress } from "./progress.ts";
import type { Run } from "./run.ts";
import { confirm, Declined } from "./terminal.ts";
import { formatSize } from "./units.ts";
import { UsageError } from "./usage-error.ts";

const usageLine = "Usage: khmara app deploy APP [FOLDER | ARCHIVE | IMAGE.tar]";

const isPath = (word: string): boolean => /^\.{1,2}$|\//.test(word);

/** The name of a folder as the name of an app: `My Shop` becomes `my-shop`. */
export const appNameOf = (path: string): string =>
  basename(resolve(path))
    .toLowerCase()
    .replace(/(\.(tar|tgz|gz|zst|zip))+$/, "")
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 40)
    .replace(/^-+|-+$/g, "");

/** `khmara app deploy APP`: what lies here, or an image, is built and takes over; its log is shown until it has. */
export async function runDeploy(run: Run): Promise<number> {
  const { rest, values } = run;
  const [first, second, third] = [String(values["app"]), ...rest];
  if (third !== undefined) throw new UsageError(`"${third}" is one word too many.`, usageLine);
  // `khmara app deploy .`: the folder's name is the app's.
  const onlyPath = second === undefined && isPath(first);
  const name = onlyPath ? appNameOf(first) : first;
  if (name === "") throw new UsageError(`${first} gives no name for an app.`, "Give one: khmara app deploy NAME .");
  const image = values["image"] as string | undefined;
  if (image !== undefined && (second !== undefined || onlyPath))
    throw new UsageError("Either a folder, an archive or --image, not both.", usageLine);
  const source = image === undefined ? await sourceAt(onlyPath ? first : (second ?? "."), run.terminal.stdin) : undefined;
  if (source?.kind === "archive" && (values["port"] !== undefined || values["healthPath"] !== undefined))
    throw new UsageError(
      "--port and --health-path are for images.",
      'Source code says it in khmara.json: {"port": 8080, "health": …}.',
    );
  const app = await appOf(run, name);
  const operation = source ? await send(run, app, source) : await begin(run, app, String(image));
  const deployment = operation.resource?.id;
  if (!deployment?.startsWith("dpl_"))
    throw new CloudError("internal", `The cloud did not say which deployment has begun (operation ${operation.id}).`);
  return seeThrough(run, app, deployment);
}

/** The id of the app; made now when it is not there, and that is meant. */
async function appOf(run: Run, name: string): Promise<string> {
  const { cloud, options, values, extra, terminal } = run;
  const place = {
    organisation: options.organisation ?? cloud.settings.organisation,
    project: options.project ?? cloud.settings.project,
  };
  try {
    return await idOf(cloud, appKind, name, place, values);
  } catch (error) {
    const isMissing = CloudError.is(error) && error.code === "not_found" && error.details["resource"] === appKind.kind;
    if (!isMissing || /^app_[0-9a-f]{32}$/.test(name)) throw error;
    if (!extra["create"]) {
      if (!terminal.interactive) throw new CloudError("not_found", `${error.message} Add --create to make it.`);
      if (!(await confirm(terminal, `There is no app "${name}" yet. Create it?`))) throw new Declined();
    }
  }
  const project = values["project"] ?? (await cloud.project(place.project, place.organisation));
  const created = await cloud.client.appCreate({ project: project as never, name });
  if (!options.quiet) terminal.note(`Created the app ${created.name}.\n`);
  return created.id;
}

const begin = (run: Run, app: string, image: string): Promise<Operation> =>
  run.cloud.client.appDeployImage({ app: app as never, image, ...imageValues(run) });

function imageValues({ values }: Run): { port?: number; healthPath?: string } {
  const { port, healthPath } = values as { port?: number; healthPath?: string };
  return { ...(port !== undefined && { port }), ...(healthPath !== undefined && { healthPath }) };
}

async function send(run: Run, app: string, source: Source): Promise<Operation> {
  const { cloud, terminal, values, options } = run;
  const progress = new TransferProgress(terminal, source.totalBytes);
  if (options.quiet) progress.draw = () => {};
  progress.label = source.name;
  let failure: unknown;
  const body = source.open({
    onBytes: (bytes) => progress.add(bytes),
    onFile: (name) => {
      progress.label = name;
    },
    onSkipped: (path, why) => terminal.note(`${path}: ${why}\n`),
  });
  body.once("error", (error) => {
    failure = error;
  });
  const description = (values["description"] as string | undefined) ?? source.name;
  const args = { app: app as never, ...(description !== "" && { description: description.slice(0, 200) }) };
  const given = {
    rawBody: Readable.toWeb(body) as ReadableStream<Uint8Array>,
    ...(source.bodyBytes !== undefined && { rawBodyBytes: source.bodyBytes }),
  };
  try {
    const operation =
      source.kind === "image"
        ? await cloud.client.appUploadImage({ ...args, ...imageValues(run) }, given)
        : await cloud.client.appDeploy(args, given);
    progress.end();
    if (!options.quiet) terminal.note(`Sent ${source.name || "it"}, ${formatSize(progress.doneBytes)}.\n`);
    return operation;
  } catch (error) {
    // What could not be read here, rather than that the request broke off because of it.
    throw failure ?? error;
  } finally {
    progress.end();
    body.destroy();
  }
}
