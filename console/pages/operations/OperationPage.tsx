import { Alert, Button, Progress, Tooltip } from "@mantine/core";
import { IconAlertTriangle, IconArrowBackUp, IconCheck, IconCircle, IconLoader2, IconX } from "@tabler/icons-react";
import { useParams } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import type { Operation } from "../../../services/operations/contract.ts";
import { useApi, useChange } from "../../api/api.ts";
import { organisationAddress } from "../../frame/address.ts";
import { useCan, useOrganisation } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { CopyField } from "../../ui/CopyField.tsx";
import { ErrorPage } from "../../ui/ErrorPage.tsx";
import { FailureText } from "../../ui/FailureText.tsx";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { PageSkeleton } from "../../ui/PageSkeleton.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { Elapsed } from "./Elapsed.tsx";
import css from "./operations.module.css";
import { advice, cannotCancel, kindTitle, over, progressWords, stepTitle, tones } from "./words.ts";

type Step = Operation["steps"][number];
const icons: Record<Step["state"], ReactNode> = {
  pending: <IconCircle size={18} stroke={1.6} />,
  running: <IconLoader2 size={18} stroke={1.8} className={css.turning} />,
  done: <IconCheck size={18} stroke={2} />,
  failed: <IconAlertTriangle size={18} stroke={1.8} />,
  undone: <IconArrowBackUp size={18} stroke={1.8} />,
};

export default function OperationPage() {
  const t = useT();
  const format = useFormat();
  const organisation = useOrganisation();
  const may = useCan("organisation")("editor");
  const { operation: id } = useParams({ strict: false }) as { operation: string };
  const query = useApi("operationGet", { operation: id as never });
  const cancel = useChange("operationCancel", { refresh: ["operationList", "operationGet"] });
  const [asking, setAsking] = useState(false);
  if (query.error && !query.data) return <ErrorPage error={query.error} reset={() => void query.refetch()} />;
  const operation = query.data;
  if (!operation) return <PageSkeleton />;
  const reason = may ? cannotCancel(operation) : t("ui.needsRole", { role: t("ui.role.editor") });
  const running = !over(operation.state);
  return (
    <>
      <PageHeader
        title={[kindTitle(operation.kind), operation.resource?.name].filter(Boolean).join(" · ")}
        badge={<StatusBadge tone={tones[operation.state]}>{t(`operations.state.${operation.state}`)}</StatusBadge>}
        back={{ to: organisationAddress(organisation.slug, "operations"), label: t("operations.title") }}
        actions={
          <Tooltip label={reason} disabled={reason === undefined}>
            <Button
              variant="default"
              leftSection={<IconX size={16} aria-hidden />}
              {...(reason === undefined ? {} : { "data-disabled": true, "aria-disabled": true })}
              onClick={(event) => (reason === undefined ? setAsking(true) : event.preventDefault())}
            >
              {t("operations.cancel")}
            </Button>
          </Tooltip>
        }
      />
      {running && (
        <div className={css.total}>
          <Progress
            value={operation.progress * 100}
            animated={operation.state === "running"}
            size="lg"
            aria-label={t("operations.progress")}
          />
          <span role="status">{progressWords(operation.message, format) ?? t("operations.leave")}</span>
        </div>
      )}
      {operation.state === "failed" && operation.error && <Failure operation={operation} />}
      {operation.state === "cancelled" && (
        <Alert color="gray" mb="lg" title={t("operations.cancelled")}>
          <Undone operation={operation} />
        </Alert>
      )}
      <div className={css.columns}>
        <section className={css.panel} aria-labelledby="operation-steps">
          <h2 id="operation-steps">{t("operations.steps")}</h2>
          {operation.steps.length === 0 ? (
            <p>{t("operations.noSteps")}</p>
          ) : (
            <ol className={css.steps}>
              {operation.steps.map((step) => (
                <li key={step.name} data-state={step.state}>
                  <span className={css.icon} aria-hidden>
                    {icons[step.state]}
                  </span>
                  <span className={css.step}>
                    {stepTitle(operation.kind, step.name)}
                    <small>
                      {t(`operations.stepState.${step.state}`)}
                      {step.attempts > 1 && ` · ${t("operations.attempts", { count: step.attempts })}`}
                    </small>
                  </span>
                  <span className={css.time}>
                    {step.startedAt && <Elapsed from={step.startedAt} to={step.finishedAt ?? operation.finishedAt} />}
                  </span>
                </li>
              ))}
            </ol>
          )}
        </section>
        <Facts operation={operation} />
      </div>
      <ConfirmDestroy
        opened={asking}
        onClose={() => setAsking(false)}
        title={t("operations.cancel.title", { what: kindTitle(operation.kind) })}
        text={t("operations.cancel.text")}
        action={t("operations.cancel")}
        onConfirm={() => cancel.mutateAsync({ operation: operation.id })}
      />
    </>
  );
}

/** Which step, why, what was undone, what to try. */
function Failure({ operation }: { operation: Operation }) {
  const t = useT();
  const { error } = operation;
  if (!error) return null;
  return (
    <Alert
      color="red"
      mb="lg"
      title={error.step ? t("operations.failedAt", { step: stepTitle(operation.kind, error.step) }) : t("operations.failed")}
      icon={<IconAlertTriangle size={20} aria-hidden />}
    >
      <FailureText failure={error} />
      <Undone operation={operation} />
      <p className={css.why}>
        <b>{t("operations.tryThis")}</b> {advice(error.code)}
      </p>
    </Alert>
  );
}

function Undone({ operation }: { operation: Operation }) {
  const t = useT();
  const format = useFormat();
  const named = (state: Step["state"]) =>
    operation.steps.filter((step) => step.state === state).map(({ name }) => stepTitle(operation.kind, name));
  const undone = named("undone");
  const stays = named("done");
  return (
    <p className={css.why}>
      {undone.length > 0 ? t("operations.undone", { steps: format.list(undone) }) : t("operations.nothingUndone")}
      {stays.length > 0 && ` ${t("operations.stays", { steps: format.list(stays) })}`}
    </p>
  );
}

function Facts({ operation }: { operation: Operation }) {
  const t = useT();
  const format = useFormat();
  const objects = operation.result?.["objects"];
  return (
    <section className={css.panel} aria-labelledby="operation-facts">
      <h2 id="operation-facts">{t("operations.facts")}</h2>
      <dl className={css.facts}>
        <dt>{t("operations.by")}</dt>
        <dd>{operation.createdBy.name}</dd>
        <dt>{t("operations.began")}</dt>
        <dd>
          <TimeAgo at={operation.createdAt} />
        </dd>
        <dt>{t("operations.took")}</dt>
        <dd>
          <Elapsed from={operation.createdAt} to={operation.finishedAt} />
        </dd>
        {operation.resource && (
          <>
            <dt>{t("operations.resource")}</dt>
            <dd>{operation.resource.name ?? operation.resource.id}</dd>
          </>
        )}
        {typeof objects === "number" && (
          <>
            <dt>{t("operations.objects")}</dt>
            <dd>{format.number(objects)}</dd>
          </>
        )}
      </dl>
      <CopyField label={t("operations.id")} value={operation.id} />
    </section>
  );
}
