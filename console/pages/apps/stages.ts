import type { Deployment, DeploymentState } from "../../../services/apps/deploying/contract.ts";

export const stages = ["queued", "building", "releasing", "starting", "switching"] as const satisfies readonly DeploymentState[];
export type Stage = (typeof stages)[number];
export type StageState = "done" | "now" | "failed" | "skipped" | "notReached" | "coming";

/**
 * How far a deployment is, as a line. Nothing is built of an image, an earlier release or other settings. A deployment does not say in
 * which stage it has failed: `seen`, the last one that was seen here, or else whether there is a release yet, tells building from the rest.
 */
export function stageStates(deployment: Deployment, seen: Stage | undefined): Record<Stage, StageState> {
  const { state, source, startedAt, releaseNumber } = deployment;
  const builds = source.kind === "archive" || source.kind === "git";
  const stopped = state === "failed" || state === "cancelled" || state === "superseded";
  const reached: Stage | undefined = stopped
    ? (seen ??
      (startedAt === undefined ? "queued" : releaseNumber === undefined ? (builds ? "building" : "starting") : "starting"))
    : stages.find((stage) => stage === state);
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
