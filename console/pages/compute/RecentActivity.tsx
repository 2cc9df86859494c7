import { Anchor } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { Instance } from "../../../services/compute/instances/contract.ts";
import { useApiList } from "../../api/api.ts";
import { organisationAddress } from "../../frame/address.ts";
import { useOrganisation, useProject } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import { Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { kindTitle, tones } from "../operations/words.ts";
import css from "./RecentActivity.module.css";

const shown = 6;

/** What was done with an instance last. */
export function RecentActivity({ instance, here }: { instance: Instance; here: string }) {
  const t = useT();
  const organisation = useOrganisation();
  const project = useProject();
  const rows = useApiList(
    "operationList",
    { organisation: organisation.id, project: project.id, resource: instance.id },
    { limit: shown },
  ).rows?.slice(0, shown);
  return (
    <Section
      title={t("compute.overview.activity")}
      flush
      actions={
        <Anchor component={Link} to={`${here}/activity`} size="sm">
          {t("compute.overview.allActivity")}
        </Anchor>
      }
    >
      <ol className={css.list}>
        {rows?.map((operation) => (
          <li key={operation.id} className={css.row}>
            <Link to={organisationAddress(organisation.slug, `operations/${operation.id}`)}>{kindTitle(operation.kind)}</Link>
            <StatusBadge tone={tones[operation.state]}>{t(`operations.state.${operation.state}`)}</StatusBadge>
            <small>
              {operation.createdBy.name} · <TimeAgo at={operation.createdAt} />
            </small>
          </li>
        ))}
        {rows?.length === 0 && <li className={css.none}>{t("compute.overview.noActivity")}</li>}
      </ol>
    </Section>
  );
}
