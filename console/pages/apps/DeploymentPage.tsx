import { Alert, Button, Tooltip } from "@mantine/core";
import { IconDownload, IconExternalLink, IconPlayerStop } from "@tabler/icons-react";
import { Link, useParams } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import type { Deployment } from "../../../services/apps/deploying/contract.ts";
import { useApi } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { NotFoundPage } from "../../frame/NotFoundPage.tsx";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ErrorPage } from "../../ui/ErrorPage.tsx";
import { FailureText } from "../../ui/FailureText.tsx";
import { FollowingLog } from "../../ui/FollowingLog.tsx";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { PageSkeleton } from "../../ui/PageSkeleton.tsx";
import { Facts, Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { saveFile } from "../usage/csv.ts";
import css from "./apps.module.css";
import { DeploymentCancel } from "./DeploymentCancel.tsx";
import { type Stage, stageStates, stages } from "./stages.ts";
import { useDeploymentLog } from "./useDeploymentLog.ts";
import { deploymentTones, isOver, sourceTitle, took } from "./words.ts";

/** One deployment on its way: how far it is, what it says, and why it failed. */
export default function DeploymentPage() {
  const t = useT();
  const format = useFormat();
  const params = useParams({ strict: false }) as { app: string; deployment: string };
  const organisation = useOrganisation();
  const project = useProject();
  const may = useCan()("editor");
  const [cancelling, setCancelling] = useState(false);
  const [watching, setWatching] = useState(true);
  const query = useApi(
    "deploymentGet",
    { deployment: params.deployment as never },
    // Events tell of changes; this only covers for one that was missed.
    { refetchInterval: watching ? 5000 : false },
  );
  const app = useApi("appGet", { app: params.app as never }).data;
  const deployment = query.data;
  // It tells the reason of the failure, and the step.
  const failure = useApi(
    "operationGet",
    { operation: deployment?.operationId as never },
    { enabled: deployment?.state === "failed" && deployment.operationId !== undefined, staleTime: 60_000 },
  ).data?.error;
  const over = deployment !== undefined && isOver(deployment.state);
  useEffect(() => setWatching(!over), [over]);
  const log = useDeploymentLog(params.deployment as Deployment["id"]);
  const here = projectAddress(organisation.slug, project.slug, `apps/${params.app}`);
  if (query.error && !deployment) return <ErrorPage error={query.error} reset={() => void query.refetch()} />;
  if (!deployment) return <PageSkeleton />;
  if (deployment.projectId !== project.id || deployment.appId !== params.app) return <NotFoundPage />;
  const reason = over ? t("apps.why.over") : may ? undefined : t("ui.needsRole", { role: t("ui.role.editor") });
  return (
    <>
      <PageHeader
        title={t("apps.deploymentNumber", { number: deployment.number })}
        badge={
          <StatusBadge tone={deploymentTones[deployment.state]}>{t(`apps.deploymentState.${deployment.state}`)}</StatusBadge>
        }
        text={sourceTitle(deployment.source)}
        back={{ to: `${here}/deployments`, label: app ? app.name : t("apps.tab.deployments") }}
        actions={
          deployment.state === "succeeded" && app ? (
            <Button
              component="a"
              href={app.url}
              target="_blank"
              rel="noreferrer"
              leftSection={<IconExternalLink size={16} aria-hidden />}
            >
              {t("apps.open")}
            </Button>
          ) : (
            <Tooltip label={reason} disabled={reason === undefined}>
              <Button
                variant="default"
                leftSection={<IconPlayerStop size={16} aria-hidden />}
                {...(reason === undefined ? {} : { "data-disabled": true, "aria-disabled": true })}
                onClick={() => reason === undefined && setCancelling(true)}
              >
                {t("apps.cancel")}
              </Button>
            </Tooltip>
          )
        }
      />
      {deployment.error && (
        <Alert color="red" mb="lg" title={t(deployment.state === "failed" ? "apps.deployment.failed" : "apps.deployment.note")}>
          <FailureText failure={failure ?? { code: "", message: deployment.error }} />
          {deployment.state === "failed" && app && (
            <> {app.releaseNumber === undefined ? t("apps.deployment.nothingRuns") : t("apps.deployment.oldRuns")}</>
          )}
        </Alert>
      )}
      <Stages deployment={deployment} failedStep={failure?.step} />
      <Section
        title={t("apps.deployment.log")}
        actions={
          log.text !== "" && (
            <Button
              size="compact-sm"
              variant="subtle"
              leftSection={<IconDownload size={15} aria-hidden />}
              onClick={() => saveFile(`${app?.name ?? "app"}-${deployment.number}.log`, [log.text], "text/plain;charset=utf-8")}
            >
              {t("ui.download")}
            </Button>
          )
        }
      >
        <FollowingLog
          label={t("apps.deployment.log")}
          text={
            log.shown ||
            log.problem ||
            (log.finished || over
              ? t("apps.deployment.noLog")
              : t(`apps.deployment.waiting.${deployment.state === "queued" ? "queued" : "other"}`))
          }
        />
        {log.shown !== "" && log.problem && <p className={css.note}>{log.problem}</p>}
        {log.truncated && <p className={css.note}>{t("apps.deployment.truncated")}</p>}
      </Section>
      <Section title={t("apps.deployment.facts")}>
        <Facts
          items={[
            [t("apps.source"), <Source key="source" deployment={deployment} />],
            [t("apps.runtime"), deployment.runtime ?? "–"],
            [
              t("apps.release"),
              deployment.releaseNumber === undefined ? (
                "–"
              ) : (
                <Link key="release" to={`${here}/releases`}>
                  {t("apps.releaseNumber", { number: deployment.releaseNumber })}
                </Link>
              ),
            ],
            [t("apps.by"), deployment.createdBy.name],
            [t("apps.when"), <TimeAgo key="when" at={deployment.createdAt} />],
            [t("apps.took"), took(deployment, format)],
          ]}
        />
      </Section>
      {cancelling && !over && <DeploymentCancel deployment={deployment} onClose={() => setCancelling(false)} />}
    </>
  );
}

function Source({ deployment: { source } }: { deployment: Deployment }) {
  const t = useT();
  const format = useFormat();
  return (
    <>
      {t(`apps.sourceKind.${source.kind}`)}
      {[
        sourceTitle(source),
        source.branch,
        source.commit?.slice(0, 10),
        source.sizeBytes === undefined ? undefined : format.bytes(source.sizeBytes),
      ]
        .filter((part): part is string => part !== undefined && part !== "")
        .map((part) => ` · ${part}`)
        .join("")}
    </>
  );
}

function Stages({ deployment, failedStep }: { deployment: Deployment; failedStep: string | undefined }) {
  const t = useT();
  const [seen, setSeen] = useState<Stage>();
  useEffect(() => {
    const now = stages.find((stage) => stage === deployment.state);
    if (now) setSeen(now);
  }, [deployment.state]);
  const states = stageStates(deployment, seen, failedStep);
  return (
    <ol className={css.stages} aria-label={t("apps.deployment.stages")}>
      {stages.map((stage) => (
        <li
          key={stage}
          className={css.stage}
          data-state={states[stage]}
          aria-current={states[stage] === "now" ? "step" : undefined}
        >
          <span className={css.stageMark} aria-hidden />
          <span className={css.stageName}>{t(`apps.stage.${stage}`)}</span>
          <small className={css.stageNote}>{t(`apps.stageState.${states[stage]}`)}</small>
        </li>
      ))}
    </ol>
  );
}
