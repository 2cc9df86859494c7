import { Alert, Progress } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useEffect } from "react";
import { invalidate, type RouteKey, useApi } from "../../api/api.ts";
import { organisationAddress } from "../../frame/address.ts";
import { useFailedOperation } from "../../frame/failureOf.ts";
import { useOrganisation } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { FailureText } from "../../ui/FailureText.tsx";
import { kindTitle, over, progressWords } from "../operations/words.ts";
import css from "./compute.module.css";

/** What is being done with a thing, how far it is, or why it is not well. */
export function WorkInProgress(props: {
  operationId: string | undefined;
  /** `of`: the id of the thing that says `text` of itself. */
  problem?: { title: string; text: string; of?: string } | "" | undefined;
  /** What is old once the operation is over. */
  refresh: readonly RouteKey[];
}) {
  const t = useT();
  const format = useFormat();
  const organisation = useOrganisation();
  const { operationId, refresh } = props;
  const operation = useApi(
    "operationGet",
    { operation: operationId as never },
    {
      enabled: operationId !== undefined,
      refetchInterval: operationId === undefined ? false : 1000,
    },
  ).data;
  const ended = operation !== undefined && over(operation.state);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the list of keys is the same in every render
  useEffect(() => {
    if (ended) void invalidate(queries, refresh);
  }, [ended]);
  if (operationId !== undefined && operation && !ended) {
    return (
      <section className={css.working} aria-label={t("ui.working")}>
        <Link to={organisationAddress(organisation.slug, `operations/${operation.id}`)}>{kindTitle(operation.kind)}</Link>
        <Progress value={Math.max(operation.progress * 100, 4)} animated aria-label={t("ui.working")} />
        <span role="status">{progressWords(operation.message, format) ?? t("ui.workingText")}</span>
      </section>
    );
  }
  return props.problem ? <Problem of="" {...props.problem} /> : null;
}

function Problem({ title, text, of }: { title: string; text: string; of: string }) {
  const failed = useFailedOperation(of, of === "" ? undefined : text);
  return (
    <Alert color="red" mb="lg" title={title}>
      {failed?.error && failed.error.message !== text && `${kindTitle(failed.kind)}: `}
      <FailureText failure={failed?.error ?? { code: "", message: text }} />
    </Alert>
  );
}
