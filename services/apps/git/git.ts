/** What git's doors have in common: which app is meant, who may what, and what becomes of a push. */
import { join } from "node:path";
import { authorize, visibilityOf } from "../../../kernel/auth/authorize.ts";
import { actorOf, type Principal } from "../../../kernel/auth/principal.ts";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import { toCloudError } from "../../../kernel/http/errors.ts";
import { newId } from "../../../kernel/ids.ts";
import { deployingRoutes } from "../deploying/contract.ts";
import { appsCalled } from "../doors.ts";
import { type AppsParts, type AppView, placeOf } from "../parts.ts";
import type { PreviewsPart } from "../previews/area.ts";
import { noCommit, type RefCommand } from "./commands.ts";
import {
  branchHead,
  checkOut,
  commitSubject,
  deployedBranches,
  ensureRepository,
  type GitService,
  repositoriesFolder,
  repositoryFolder,
  sweepTrees,
  treeEnding,
} from "./repository.ts";

export interface GitCaller {
  principal: Principal;
  sourceIp: string;
}

/** `<project>/<app>`, or an app's id alone. */
export interface RepositoryName {
  project: string | undefined;
  app: string;
}

/** What a push has led to, one thing after the other: a deployment to follow, or words. */
export type Outcome = { deploymentId: string; title?: string } | { words: string };

export interface Git {
  /** The app's repository, which is made when it is first asked for; not_found, permission_denied and failed_precondition as the API says. */
  open(caller: GitCaller, service: GitService, name: RepositoryName): Promise<{ app: AppView; folder: string }>;
  /** Deploys what a push has changed, whether or not anybody waits for it; nothing that happens here undoes the push. */
  deploy(app: AppView, caller: GitCaller, commands: readonly RefCommand[]): Promise<Outcome[]>;
  /** For people, as it comes; until the signal. */
  words(outcomes: readonly Outcome[], signal: AbortSignal): AsyncGenerator<string>;
  /** unavailable while too many are at it; what it answers is called at the end. */
  enter(): () => void;
}

/** Of one push; more of them at once are a mistake, such as `git push --all` to a new repository. */
const mostPreviewsAtOnce = 5;
/** Each is a process or two of git. */
const mostAtOnce = 16;
/** The whole of one transfer. */
export const transferMs = 60 * 60_000;

/** `shop/web.git`; undefined when it is no name of a repository. */
export function repositoryName(path: string): RepositoryName | undefined {
  const found = /^(?:([a-z0-9-]{1,100})\/)?([a-z0-9_-]{1,100}?)(?:\.git)?$/.exec(path);
  return found === null ? undefined : { project: found[1], app: found[2] as string };
}

/** `previews` is told of branches other than the main one. */
export async function openGit(parts: AppsParts, previews: PreviewsPart): Promise<Git> {
  const { database, log } = parts;
  const turns = new Map<string, Promise<unknown>>();
  let active = 0;
  await sweepTrees(parts.dataDirectory);

  async function appOf(principal: Principal, { project, app }: RepositoryName): Promise<AppView> {
    return database.transaction(visibilityOf(principal), async (tx) => {
      const [only, second] =
        project === undefined ? [await parts.deploying.find(tx, app)] : await appsCalled(parts, tx, project, app);
      if (only === undefined) throw notFound("app");
      if (second !== undefined)
        throw new CloudError(
          "failed_precondition",
          `Several of your organisations have ${project}/${app}: use ${only.id}.git (or ${second.id}.git) in its place.`,
        );
      return only;
    });
  }

  /** A branch that another push has moved on meanwhile is that one's to deploy. */
  async function branchPushed(app: AppView, caller: GitCaller, branch: string, commit: string): Promise<Outcome> {
    const folder = repositoryFolder(parts.dataDirectory, app.id);
    const { sourceIp } = caller;
    const actor = actorOf(caller.principal);
    const head = await branchHead(folder, branch);
    if (noCommit.test(commit)) {
      const isGone = head === undefined && (await previews.branchDeleted(app, { branch, actor, sourceIp }));
      return { words: isGone ? `The preview of ${branch} is being deleted.\n` : `${branch} had no preview.\n` };
    }
    if (head !== commit) return { words: `Nothing is deployed of ${branch}: it is not what was pushed.\n` };
    const isMain = branch === (await mainBranch(folder));
    const preview = isMain ? undefined : await previews.pushed(app, { branch, commit, actor, sourceIp });
    if (!isMain && preview === undefined)
      return { words: `Nothing is deployed of ${branch}: push to ${deployedBranches[0]}, or turn on previews of branches.\n` };
    const target = join(repositoriesFolder(parts.dataDirectory), `${newId("deployment")}${treeEnding}`);
    // Whoever has pushed may go away now: it is deployed all the same.
    await checkOut(folder, commit, target, AbortSignal.timeout(transferMs));
    const description = (await commitSubject(folder, commit)) || commit.slice(0, 12);
    const { deploymentId } = await parts.deploying.deployFolder({
      appId: preview?.appId ?? app.id,
      actor,
      sourceIp,
      folder: target,
      source: { kind: "git", description, branch, commit },
    });
    if (preview === undefined) return { deploymentId };
    const until = preview.expiresAt.toISOString().slice(0, 10);
    return { deploymentId, title: `Preview of ${branch}, until ${until}: ${preview.url}\n` };
  }

  async function inTurn<T>(appId: string, work: () => Promise<T>): Promise<T> {
    const turn = (turns.get(appId) ?? Promise.resolve()).then(work);
    const settled = turn.catch(() => {});
    turns.set(appId, settled);
    try {
      return await turn;
    } finally {
      if (turns.get(appId) === settled) turns.delete(appId);
    }
  }

  return {
    async open(caller, service, name) {
      const app = await appOf(caller.principal, name);
      const { permission, roles } = service === "git-receive-pack" ? deployingRoutes.appDeploy : deployingRoutes.appGet;
      authorize(caller.principal, permission, roles, placeOf(app), "app");
      if (app.parentId !== undefined)
        throw new CloudError(
          "failed_precondition",
          "This is a preview. Its code is a branch in the repository of the app itself.",
        );
      if (service === "git-receive-pack") parts.deploying.checkAction(app, "deploy");
      const folder = repositoryFolder(parts.dataDirectory, app.id);
      await ensureRepository(folder);
      return { app, folder };
    },

    // One after the other, so that what was pushed last is what is deployed last.
    deploy: (app, caller, commands) =>
      inTurn(app.id, async () => {
        const outcomes: Outcome[] = [];
        for (const { before, after, ref } of commands) {
          const branch = /^refs\/heads\/(.+)$/.exec(ref)?.[1];
          if (branch === undefined || before === after) continue;
          if (outcomes.length > mostPreviewsAtOnce) {
            outcomes.push({
              words: `Nothing is deployed of ${branch} and what comes after it: push fewer branches at a time.\n`,
            });
            break;
          }
          const outcome = await branchPushed(app, caller, branch, after).catch((error: unknown) => {
            const problem = toCloudError(error);
            if (problem.code === "internal") log.error({ err: error, app: app.id }, "a push was not deployed");
            return { words: `Not deployed: ${problem.message}\n` };
          });
          outcomes.push(outcome);
        }
        return outcomes.length > 0 ? outcomes : [{ words: "Nothing is deployed: no branch was changed.\n" }];
      }),

    async *words(outcomes, signal) {
      for (const outcome of outcomes) {
        if ("words" in outcome) yield outcome.words;
        else {
          if (outcome.title !== undefined) yield outcome.title;
          yield* parts.deploying.follow(outcome.deploymentId, signal);
        }
      }
    },

    enter() {
      if (active >= mostAtOnce) throw new CloudError("unavailable", "Too many are pushing at the moment. Try again in a minute.");
      active++;
      let left = false;
      return () => {
        if (!left) active--;
        left = true;
      };
    },
  };
}

/** What an app is deployed from; undefined while its repository has no such branch. */
async function mainBranch(folder: string): Promise<string | undefined> {
  for (const branch of deployedBranches) if ((await branchHead(folder, branch)) !== undefined) return branch;
  return undefined;
}
