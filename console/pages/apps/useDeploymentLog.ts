import { useEffect, useState } from "react";
import type { Deployment } from "../../../services/apps/deploying/contract.ts";
import { client } from "../../api/api.ts";
import { errorText, isCloudError } from "../../api/errors.ts";

export interface ReadLog {
  /** All of it, for the download. */
  text: string;
  /** The end of it, as it is drawn: a page of megabytes would be slow. */
  shown: string;
  finished: boolean;
  truncated: boolean;
  problem?: string;
}

const nothing: ReadLog = { text: "", shown: "", finished: false, truncated: false };
const mostShown = 512 * 1024;
const againMs = 3000;
const waitSeconds = 20;

/** Colours and cursor movements of programs (ECMA-48): they mean nothing on a page. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that it is about
const controls = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g;

/** A line that was drawn over itself, such as a progress bar, is what it was at last. */
export const plainText = (text: string): string =>
  text
    .replace(controls, "")
    .replaceAll("\r\n", "\n")
    .replace(/^.*\r(?!$)/gm, "");

/** Each answer waits for more, so that lines are there as soon as they are written. */
export function useDeploymentLog(deployment: Deployment["id"]): ReadLog {
  const [log, setLog] = useState<ReadLog>(nothing);
  useEffect(() => {
    const stop = new AbortController();
    const follow = async () => {
      let offset = 0;
      let text = "";
      setLog(nothing);
      while (!stop.signal.aborted) {
        try {
          const part = await client.deploymentLog(
            { deployment, offset, ...(offset === 0 ? {} : { waitSeconds }) },
            { signal: stop.signal },
          );
          offset = part.nextOffset;
          text += part.text;
          setLog({
            text,
            shown: plainText(text.slice(-mostShown)),
            finished: part.finished,
            truncated: part.truncated || text.length > mostShown,
          });
          if (part.finished && part.text === "") return;
          // Nothing yet and nothing to wait behind.
          if (offset === 0 && part.text === "") await pause(againMs / 3, stop.signal);
        } catch (error) {
          if (stop.signal.aborted) return;
          setLog((now) => ({ ...now, problem: errorText(error) }));
          if (isCloudError(error) && !["unavailable", "internal", "deadline_exceeded", "rate_limited"].includes(error.code))
            return;
          await pause(againMs, stop.signal);
          setLog(({ problem: _, ...now }) => now);
        }
      }
    };
    void follow();
    return () => stop.abort();
  }, [deployment]);
  return log;
}

const pause = (ms: number, signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
