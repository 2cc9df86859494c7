import { CloudError } from "../../../../kernel/errors.ts";
import { brokenOff, DockerError, translate } from "./engineError.ts";

/** One object of the engine's: much longer than any that it sends. */
const longestObject = 4 * 1024 * 1024;

/** The JSON objects of a stream, one a line (events, builds, loads). They may be cut anywhere, also in the middle of a character. */
export async function* jsonLines<T>(stream: AsyncIterable<Buffer>, what: string): AsyncGenerator<T> {
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const chunk of stream) {
      rest += decoder.decode(chunk, { stream: true });
      let from = 0;
      for (let end = rest.indexOf("\n"); end !== -1; end = rest.indexOf("\n", from)) {
        const line = rest.slice(from, end).trim();
        from = end + 1;
        if (line !== "") yield parse<T>(line, what);
      }
      rest = rest.slice(from);
      if (rest.length > longestObject) throw translate(new DockerError("an object of the stream is too long", 0, what));
    }
  } catch (error) {
    throw error instanceof CloudError ? error : brokenOff(error);
  }
  if (rest.trim() !== "") yield parse<T>(rest.trim(), what);
}

function parse<T>(line: string, what: string): T {
  try {
    return JSON.parse(line) as T;
  } catch {
    throw translate(new DockerError(`not JSON in its stream: ${line.slice(0, 200)}`, 0, what));
  }
}
