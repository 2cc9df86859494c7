import { newId } from "../kernel/ids.ts";
import { ago, person, place, type Sent, shopId } from "./madePlace.ts";

/** What cron jobs answer, for the looks: one that failed last, one of the manifest, one that is paused, one that runs now. */
export const cronIds = { nightly: newId("cronJob"), figures: newId("cronJob") };

const run = (jobId: string, state: string, minutes: number, given: object = {}) => ({
  id: newId("cronRun"),
  jobId,
  appId: shopId,
  state,
  dueAt: ago(minutes),
  startedAt: ago(minutes),
  releaseNumber: 12,
  ...given,
});
const ended = (jobId: string, minutes: number, exitCode: number) =>
  run(jobId, exitCode === 0 ? "succeeded" : "failed", minutes, { finishedAt: ago(minutes - 1.5), exitCode });
const nightlyRuns = [
  run(cronIds.nightly, "running", 0.5, { startedBy: person }),
  ended(cronIds.nightly, 60 * 9, 2),
  ended(cronIds.nightly, 60 * 33, 0),
  run(cronIds.nightly, "timed_out", 60 * 57, { finishedAt: ago(60 * 56), reason: "It took longer than 1 h and was ended." }),
  run(cronIds.nightly, "skipped", 60 * 81, { startedAt: undefined, reason: "The run before had not ended." }),
  run(cronIds.nightly, "cancelled", 60 * 105, { finishedAt: ago(60 * 105 - 4), exitCode: 137 }),
];
const job = (given: { name: string; schedule: string } & Record<string, unknown>) => ({
  id: newId("cronJob"),
  appId: shopId,
  projectId: place.projectId,
  origin: "person",
  timeZone: "Europe/Kyiv",
  command: "node tidy.js",
  timeoutSeconds: 3600,
  concurrency: "skip",
  paused: false,
  nextAt: ago(-60 * 15),
  createdAt: ago(60 * 24 * 20),
  revision: 2,
  ...given,
});
const jobs = [
  job({
    id: cronIds.figures,
    name: "figures",
    origin: "manifest",
    schedule: "*/15 * * * *",
    command: "node figures.js --all",
    concurrency: "allow",
    nextAt: ago(-7),
    lastRun: run(cronIds.figures, "succeeded", 8, { finishedAt: ago(7.8), exitCode: 0 }),
  }),
  job({
    id: cronIds.nightly,
    name: "nightly",
    schedule: "0 3 * * *",
    command: "node letters.js --to parents --of tomorrow && node tidy.js --older-than 30d",
    lastRun: nightlyRuns[1],
  }),
  job({ name: "marks-of-the-term-to-archive", schedule: "30 22 25-31 5,12 5", nextAt: ago(-60 * 24 * 40) }),
  job({ name: "reminders", schedule: "0 8 * * 1,4", paused: true, nextAt: undefined }),
];

export const cronAnswers: Record<string, (request: Sent) => unknown> = {
  cronJobList: ({ params }) => ({ items: params["app"] === shopId ? jobs : [] }),
  cronJobCreate: () => jobs[1],
  cronJobUpdate: () => jobs[0],
  cronJobDelete: () => ({}),
  cronJobRun: () => nightlyRuns[0],
  cronRunList: () => ({ items: nightlyRuns }),
  cronRunGet: ({ params }) => {
    const found = nightlyRuns.find(({ id }) => id === params["cronRun"]);
    return (
      found && {
        ...found,
        output: "letters to parents: 214 sent\nletters to parents: 3 could not be sent, see the log of the mail server\n",
        truncated: false,
      }
    );
  },
};
