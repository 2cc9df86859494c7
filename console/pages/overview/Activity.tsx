import { Skeleton, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useApi } from "../../api/api.ts";
import { organisationAddress } from "../../frame/address.ts";
import { useOrganisation } from "../../frame/identity.ts";
import { translateMaybe, useT } from "../../i18n/i18n.ts";
import { Section } from "../../ui/Section.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import css from "./Overview.module.css";

const shown = 8;

/** What happened last, in sentences; the whole story is on the audit page. */
export function Activity({ project }: { project?: string }) {
  const t = useT();
  const organisation = useOrganisation();
  const entries = useApi("auditEntryList", {
    organisation: organisation.id,
    limit: shown,
    ...(project ? { project: project as never } : {}),
  });
  const what = (action: string) => translateMaybe(`overview.action.${action}`) ?? action;
  return (
    <Section
      title={t("overview.activity")}
      actions={
        <Text component={Link} to={organisationAddress(organisation.slug, "audit")} size="sm" c="var(--k-accent-text)">
          {t("overview.allActivity")}
        </Text>
      }
      flush
    >
      {entries.data === undefined &&
        !entries.error &&
        [1, 2, 3, 4].map((row) => (
          <div key={row} className={css.entry}>
            <Skeleton height={13} width="80%" my={3} />
            <Skeleton height={11} width="30%" my={4} />
          </div>
        ))}
      {entries.data?.items.length === 0 && (
        <div className={css.entry}>
          <Text size="sm" c="dimmed">
            {t("overview.noActivity")}
          </Text>
        </div>
      )}
      {entries.data?.items.map((entry) => (
        <div key={entry.id} className={css.entry}>
          {t.rich("overview.did", {
            person: (
              <b key="person" style={{ fontWeight: 600 }}>
                {entry.actor.name}
              </b>
            ),
            what: what(entry.action),
            resource: <span key="resource">{entry.resource.name ?? ""}</span>,
          })}
          <span className={css.entryWhen}>
            <TimeAgo at={entry.at} />
          </span>
        </div>
      ))}
    </Section>
  );
}
