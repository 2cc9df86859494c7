import { Progress } from "@mantine/core";
import { IconX } from "@tabler/icons-react";
import { useState } from "react";
import type { Operation, OperationState } from "../../../services/operations/contract.ts";
import { useApiList, useChange } from "../../api/api.ts";
import { failureText } from "../../api/errors.ts";
import { organisationAddress } from "../../frame/address.ts";
import { useCan, useOrganisation } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { useListState } from "../../ui/list/state.ts";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { Elapsed } from "./Elapsed.tsx";
import css from "./operations.module.css";
import { cannotCancel, kindTitle, over, progressWords, stepTitle, tones } from "./words.ts";

const states: OperationState[] = ["pending", "running", "undoing", "succeeded", "failed", "cancelled"];

export default function OperationsPage() {
  const t = useT();
  const organisation = useOrganisation();
  const can = useCan("organisation");
  const state = useListState();
  const chosen = states.find((one) => one === state.filter("state"));
  const [cancelling, setCancelling] = useState<Operation>();
  const operations = useApiList("operationList", { organisation: organisation.id, ...(chosen ? { state: chosen } : {}) });
  const cancel = useChange("operationCancel", { refresh: ["operationList", "operationGet"] });
  const title = (operation: Operation) => [kindTitle(operation.kind), operation.resource?.name].filter(Boolean).join(" · ");

  return (
    <>
      <PageHeader title={t("operations.title")} text={t("operations.text")} />
      <DataList
        id="operations"
        label={t("operations.title")}
        list={operations}
        rowKey={({ id }) => id}
        rowName={title}
        rowAddress={({ id }) => organisationAddress(organisation.slug, `operations/${id}`)}
        search={(operation) => `${title(operation)} ${operation.createdBy.name} ${operation.id}`}
        filters={[
          {
            key: "state",
            label: t("ui.status"),
            options: states.map((value) => ({ value, label: t(`operations.state.${value}`) })),
          },
        ]}
        columns={[
          { key: "what", header: t("operations.what"), primary: true, width: "minmax(200px, 2fr)", cell: title, sort: title },
          {
            key: "state",
            header: t("ui.status"),
            width: "minmax(112px, 136px)",
            cell: (operation) => (
              <StatusBadge tone={tones[operation.state]}>{t(`operations.state.${operation.state}`)}</StatusBadge>
            ),
            sort: (operation) => operation.state,
          },
          {
            key: "progress",
            header: t("operations.progress"),
            width: "minmax(160px, 1.4fr)",
            cell: (operation) => <ProgressCell operation={operation} />,
          },
          {
            key: "by",
            header: t("operations.by"),
            cell: ({ createdBy }) => createdBy.name,
            sort: ({ createdBy }) => createdBy.name,
          },
          {
            key: "began",
            header: t("operations.began"),
            cell: ({ createdAt }) => <TimeAgo at={createdAt} />,
            sort: ({ createdAt }) => createdAt,
          },
          {
            key: "took",
            header: t("operations.took"),
            align: "right",
            width: "minmax(72px, 96px)",
            cell: ({ createdAt, finishedAt }) => <Elapsed from={createdAt} to={finishedAt} />,
          },
        ]}
        rowActions={(operation) =>
          can("editor")
            ? [
                {
                  label: t("operations.cancel"),
                  icon: IconX,
                  danger: true,
                  onClick: () => setCancelling(operation),
                  disabledReason: cannotCancel(operation),
                },
              ]
            : []
        }
        empty={
          <EmptyState
            picture="done"
            title={t("operations.empty")}
            text={t("operations.emptyText")}
            command="khmara operation list"
          />
        }
      />
      <ConfirmDestroy
        opened={cancelling !== undefined}
        onClose={() => setCancelling(undefined)}
        title={t("operations.cancel.title", { what: cancelling ? kindTitle(cancelling.kind) : "" })}
        text={t("operations.cancel.text")}
        action={t("operations.cancel")}
        onConfirm={async () => {
          if (cancelling) await cancel.mutateAsync({ operation: cancelling.id });
        }}
      />
    </>
  );
}

function ProgressCell({ operation }: { operation: Operation }) {
  const t = useT();
  const format = useFormat();
  if (operation.error) {
    const why = failureText(operation.error);
    return (
      <span className={css.error} title={why}>
        {why}
      </span>
    );
  }
  if (over(operation.state))
    return <>{t("operations.stepsDone", { count: operation.steps.filter(({ state }) => state === "done").length })}</>;
  const step = operation.steps.find(({ state }) => state === "running");
  return (
    <span className={css.progress}>
      <Progress
        value={operation.progress * 100}
        size="sm"
        animated={operation.state === "running"}
        aria-label={t("operations.progress")}
      />
      <small>
        {[step && stepTitle(operation.kind, step.name), progressWords(operation.message, format)].filter(Boolean).join(" · ")}
      </small>
    </span>
  );
}
