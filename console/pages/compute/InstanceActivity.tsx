import { Link } from "@tanstack/react-router";
import { useApiList } from "../../api/api.ts";
import { organisationAddress } from "../../frame/address.ts";
import { useOrganisation, useProject } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { kindTitle, over, tones } from "../operations/words.ts";
import type { InstanceTabProps } from "./InstancePage.tsx";

/** Everything that was done with an instance, by whom, how long it took and how it ended. */
export default function InstanceActivity({ instance }: InstanceTabProps) {
  const t = useT();
  const format = useFormat();
  const organisation = useOrganisation();
  const project = useProject();
  const operations = useApiList("operationList", {
    organisation: organisation.id,
    project: project.id,
    resource: instance.id,
  });
  return (
    <>
      <DataList
        id="instance-activity"
        label={t("compute.tab.activity")}
        list={operations}
        rowKey={({ id }) => id}
        rowName={({ kind }) => kindTitle(kind)}
        rowAddress={({ id }) => organisationAddress(organisation.slug, `operations/${id}`)}
        columns={[
          {
            key: "kind",
            header: t("compute.activity.what"),
            primary: true,
            width: "minmax(180px, 2fr)",
            cell: ({ kind }) => kindTitle(kind),
          },
          {
            key: "state",
            header: t("compute.state"),
            phone: "bare",
            cell: ({ state }) => <StatusBadge tone={tones[state]}>{t(`operations.state.${state}`)}</StatusBadge>,
          },
          { key: "who", header: t("compute.activity.who"), cell: ({ createdBy }) => createdBy.name },
          {
            key: "took",
            header: t("compute.activity.took"),
            align: "right",
            cell: ({ createdAt, finishedAt, state }) =>
              over(state) && finishedAt ? format.duration(Date.parse(finishedAt) - Date.parse(createdAt)) : "…",
          },
          { key: "at", header: t("compute.activity.when"), cell: ({ createdAt }) => <TimeAgo at={createdAt} /> },
        ]}
        empty={<EmptyState picture="journal" title={t("compute.overview.noActivity")} />}
      />
      <p>
        <Link to={`${organisationAddress(organisation.slug, "audit")}?resource=${instance.id}`}>
          {t("compute.activity.audit")}
        </Link>
      </p>
    </>
  );
}
