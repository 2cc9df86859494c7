import { Alert, Progress } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useEffect } from "react";
import type { Instance } from "../../../services/compute/instances/contract.ts";
import { invalidate, useApi } from "../../api/api.ts";
import { organisationAddress } from "../../frame/address.ts";
import { useOrganisation } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { kindTitle, over, progressWords } from "../operations/words.ts";
import css from "./compute.module.css";

/** What is being done with an instance, how far it is, or why it failed. */
export function WorkInProgress({ instance }: { instance: Instance }) {
  const t = useT();
  const organisation = useOrganisation();
  const operation = useApi(
    "operationGet",
    { operation: instance.operationId as never },
    {
      enabled: instance.operationId !== undefined,
      refetchInterval: 1000,
    },
  ).data;
  const ended = operation !== undefined && over(operation.state);
  useEffect(() => {
    if (ended) void invalidate(queries, ["instanceGet", "instanceList"]);
  }, [ended]);
  if (instance.operationId !== undefined && operation && !ended) {
    return (
      <section className={css.working} aria-label={t("compute.working")}>
        <Link to={organisationAddress(organisation.slug, `operations/${operation.id}`)}>{kindTitle(operation.kind)}</Link>
        <Progress value={Math.max(operation.progress * 100, 4)} animated aria-label={t("compute.working")} />
        <span role="status">{progressWords(operation.message) ?? t("compute.workingText")}</span>
      </section>
    );
  }
  if (instance.stateReason) {
    return (
      <Alert color="red" mb="lg" title={t(`compute.state.${instance.state}`)}>
        {instance.stateReason}
      </Alert>
    );
  }
  if (instance.restartNeeded)
    return (
      <Alert color="yellow" mb="lg">
        {t("compute.restartNeeded")}
      </Alert>
    );
  return null;
}
