/** One call of the driver in a process that the test kills in the middle of it. */
import { Readable } from "node:stream";
import { pack } from "tar-stream";
import { openDockerEngine } from "./index.ts";

const { socket, cloudId, call, words, context } = JSON.parse(process.argv[2] ?? "") as {
  socket: string;
  cloudId: string;
  call: "containerCreate" | "containerRemove" | "imageBuild";
  words: unknown[];
  /** The Dockerfile of a build. */
  context?: string;
};
const engine = openDockerEngine({ address: { endpoint: socket }, cloudId });
const streams: unknown[] = [];
if (context !== undefined) {
  const tar = pack();
  tar.entry({ name: "Dockerfile" }, context);
  tar.finalize();
  streams.push(Readable.from(tar), { onLine: () => {} });
}
process.stdout.write("begun\n");
await (engine[call] as (...all: unknown[]) => Promise<unknown>)(...words, ...streams);
// Until it is killed: what was done already is as good a moment as any.
setInterval(() => {}, 1000);
