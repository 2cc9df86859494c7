import type { Deployment, DeploymentState } from "../../../services/apps/deploying/contract.ts";

export const stages = ["queued", "building", "releasing", "starting", "switching"] as const satisfies readonly DeploymentState[];
export type Stage = (typeof stages)[number];
export type StageState = "done" | "now" | "failed" | "skipped" | "notReached" | "coming";

/** The steps of its operation (services/apps/deploying/operations), by the stage that a person sees. */
const stageOfStep: Record<string, Stage> = {
  unpack: "building",
  build: "building",
  release: "releasing",
  command: "releasing",
  start: "starting",
  switch: "switching",
  retire: "switching",
};

/**
 * How far a deployment is, as a line. Nothing is built of an image, an earlier release or other settings. Where it has failed is what its
 * operation says (`failedStep`), else the last stage that was seen here.
 */
export function stageStates(
  deployment: Deployment,
  seen: Stage | undefined,
  failedStep: string | undefined,
): Record<Stage, StageState> {
  const { state, source, startedAt } = deployment;
  const builds = source.kind === "archive" || source.kind === "git";
  const stopped = state === "failed" || state === "cancelled" || state === "superseded";
  const failedAt = failedStep === undefined ? undefined : stageOfStep[failedStep];
  const guess: Stage = startedAt === undefined ? "queued" : builds ? "building" : "starting";
  const reached: Stage | undefined = stopped ? (failedAt ?? seen ?? guess) : stages.find((stage) => stage === state);
  const at = reached === undefined ? stages.length : stages.indexOf(reached);
  return Object.fromEntries(
    stages.map((stage, index): [Stage, StageState] => {
      if (index > at) return [stage, stopped ? "notReached" : "coming"];
      if (stage === "building" && !builds) return [stage, "skipped"];
      if (index === at) return [stage, stopped ? (state === "failed" ? "failed" : "notReached") : "now"];
      return [stage, "done"];
    }),
  ) as Record<Stage, StageState>;
}
