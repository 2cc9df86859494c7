import { Anchor, Button } from "@mantine/core";
import { Link, useNavigate } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import type { App } from "../../../services/apps/deploying/contract.ts";
import { useApiList } from "../../api/api.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyButton, CopyField } from "../../ui/CopyField.tsx";
import { PageSkeleton } from "../../ui/PageSkeleton.tsx";
import { Facts, Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { Installed } from "../catalogue/Installed.tsx";
import { useWhyNotDeploy } from "./AppEngineNotice.tsx";
import type { AppTabProps } from "./AppPage.tsx";
import css from "./apps.module.css";
import { deploymentTones, shortAddress, sourceTitle } from "./words.ts";

const AppCharts = lazy(() => import("./AppCharts.tsx"));
const DeployForm = lazy(async () => ({ default: (await import("./DeployForm.tsx")).DeployForm }));
const recent = 5;

/** Is it well, how is it reached, what of it is live, what runs, how does it do, and what happened last. */
export function AppOverview({ app, here, may }: AppTabProps) {
  const t = useT();
  const format = useFormat();
  const deployments = useApiList("deploymentList", { app: app.id }, { limit: recent });
  const release = useApiList(
    "releaseList",
    { app: app.id },
    { limit: recent, enabled: app.releaseNumber !== undefined },
  ).rows?.find(({ isLive }) => isLive);
  if (app.state === "new" && !app.deployment && deployments.rows?.length === 0) return <First app={app} here={here} may={may} />;
  return (
    <>
      <div className={css.overview}>
        <div>
          <Section title={t("apps.overview.reach")}>
            <div className={css.stack}>
              <div className={css.addressLine}>
                <Anchor href={app.url} target="_blank" rel="noreferrer" className={css.bigAddress}>
                  {shortAddress(app.url)}
                </Anchor>
                <CopyButton value={app.url} />
              </div>
              {app.hosts
                .filter((host) => host !== new URL(app.url).hostname)
                .map((host) => (
                  <Anchor key={host} size="sm" href={`${new URL(app.url).protocol}//${host}`} target="_blank" rel="noreferrer">
                    {host}
                  </Anchor>
                ))}
              <Next app={app} here={here} may={may} />
            </div>
          </Section>
          <Section
            title={t("apps.overview.processes")}
            actions={
              <Anchor component={Link} to={`${here}/processes`} size="sm">
                {t("apps.overview.scale")}
              </Anchor>
            }
          >
            {app.processes.length === 0 ? (
              <p className={css.note}>{t("apps.overview.noProcesses")}</p>
            ) : (
              <ul className={css.processLine}>
                {app.processes.map(({ name, running, wanted }) => (
                  <li key={name}>
                    <b>{name}</b>
                    <StatusBadge tone={running >= wanted ? (wanted === 0 ? "off" : "good") : running > 0 ? "warn" : "bad"}>
                      {t("apps.runningOf", { running: format.number(running), wanted: format.number(wanted) })}
                    </StatusBadge>
                  </li>
                ))}
              </ul>
            )}
          </Section>
          <Installed app={app} may={may} />
        </div>
        <div>
          <Section
            title={t("apps.overview.live")}
            actions={
              <Anchor component={Link} to={`${here}/releases`} size="sm">
                {t("apps.overview.releases")}
              </Anchor>
            }
          >
            <Facts
              items={[
                [t("apps.release"), release ? t("apps.releaseNumber", { number: release.number }) : "–"],
                [t("apps.source"), release ? sourceTitle(release.source) : "–"],
                [t("apps.runtime"), release?.runtime ?? app.runtime ?? "–"],
                [t("apps.by"), release?.createdBy.name ?? "–"],
                [t("apps.deployed"), <TimeAgo key="deployed" at={app.deployedAt} never={t("ui.never")} />],
                [t("apps.id"), <CopyField key="id" value={app.id} />],
              ]}
            />
          </Section>
          <Section
            title={t("apps.overview.deployments")}
            flush
            actions={
              <Anchor component={Link} to={`${here}/deployments`} size="sm">
                {t("apps.overview.allDeployments")}
              </Anchor>
            }
          >
            <ol className={css.recent}>
              {deployments.rows?.slice(0, recent).map((deployment) => (
                <li key={deployment.id}>
                  <Link to={`${here}/deployments/${deployment.id}`}>
                    {deployment.number}. {sourceTitle(deployment.source)}
                  </Link>
                  <StatusBadge tone={deploymentTones[deployment.state]}>
                    {t(`apps.deploymentState.${deployment.state}`)}
                  </StatusBadge>
                  <small>
                    {deployment.createdBy.name} · <TimeAgo at={deployment.createdAt} />
                  </small>
                </li>
              ))}
            </ol>
          </Section>
        </div>
      </div>
      {app.releaseNumber !== undefined && (
        <Suspense fallback={<PageSkeleton />}>
          <AppCharts app={app} />
        </Suspense>
      )}
    </>
  );
}

/** The one thing that most people want next, by the state of the app. */
function Next({ app, here, may }: AppTabProps) {
  const t = useT();
  const settings = useApiList("settingList", { app: app.id }, { enabled: may }).rows;
  const missing = settings?.filter(({ isMissing }) => isMissing) ?? [];
  const domains = useApiList("domainList", { app: app.id }, { enabled: app.state === "running" }).rows;
  const troubled = domains?.find(({ problem }) => problem !== undefined);
  const hint = (text: string, to: string, label: string) => (
    <p className={css.next}>
      {text}{" "}
      <Anchor component={Link} to={`${here}/${to}`} size="sm">
        {label}
      </Anchor>
    </p>
  );
  if (missing.length > 0)
    return hint(
      t("apps.next.settings", { names: missing.map(({ name }) => name).join(", ") }),
      "variables",
      t("apps.next.setThem"),
    );
  if (app.state === "stopped") return <p className={css.next}>{t("apps.next.stopped")}</p>;
  if (app.state !== "running") return null;
  if (troubled) return hint(t("apps.next.domainTrouble", { host: troubled.host }), "domains", t("apps.next.look"));
  if (domains?.length === 0) return hint(t("apps.next.domain"), "domains", t("apps.next.addDomain"));
  return null;
}

/** Of an app that has nothing yet: the first deployment, right here. */
function First({ app, here, may }: { app: App; here: string; may: boolean }) {
  const t = useT();
  const navigate = useNavigate();
  const reason = useWhyNotDeploy(app, may);
  return (
    <Section title={t("apps.first")} text={t("apps.firstText", { address: shortAddress(app.url) })}>
      <Suspense fallback={<PageSkeleton />}>
        <DeployForm
          appName={app.name}
          prepare={async () => app.id}
          onDeployed={(_, deployment) =>
            void navigate({ to: deployment ? `${here}/deployments/${deployment}` : `${here}/deployments` })
          }
          action={t("deploy.action")}
          disabledReason={reason}
          beside={
            <Button component={Link} variant="default" to={`${here}/variables`}>
              {t("apps.firstVariables")}
            </Button>
          }
        />
      </Suspense>
    </Section>
  );
}
