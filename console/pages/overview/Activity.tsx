import { Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { type Item, useApi } from "../../api/api.ts";
import { organisationAddress } from "../../frame/address.ts";
import { useOrganisation } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import { Section } from "../../ui/Section.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { actorName, resourceName, sentence } from "../audit/sentences.ts";
import { ActivitySkeleton } from "./ActivitySkeleton.tsx";
import css from "./Overview.module.css";

const shown = 8;
const read = 60;

type Entry = Item<"auditEntryList">;

/** A hundred files sent at once are one thing that somebody did. */
function gather(entries: Entry[]): { entry: Entry; more: number }[] {
  const groups: { entry: Entry; more: number }[] = [];
  for (const entry of entries) {
    const last = groups.at(-1);
    if (last && last.entry.action === entry.action && last.entry.actor.id === entry.actor.id) last.more++;
    else groups.push({ entry, more: 0 });
  }
  return groups.slice(0, shown);
}

/** What happened last, in sentences; the whole story is on the audit page. */
export default function Activity({ project }: { project?: string }) {
  const t = useT();
  const organisation = useOrganisation();
  const entries = useApi("auditEntryList", {
    organisation: organisation.id,
    limit: read,
    ...(project ? { project: project as never } : {}),
  });
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
      {entries.data === undefined && !entries.error && <ActivitySkeleton />}
      {entries.data?.items.length === 0 && (
        <div className={css.entry}>
          <Text size="sm" c="dimmed">
            {t("overview.noActivity")}
          </Text>
        </div>
      )}
      {gather(entries.data?.items ?? []).map(({ entry, more }) => (
        <div key={entry.id} className={css.entry}>
          <b style={{ fontWeight: 600 }}>{actorName(entry)}</b> {sentence(entry, resourceName(entry))}
          {more > 0 && ` ${t("overview.andMore", { count: more })}`}
          <span className={css.entryWhen}>
            <TimeAgo at={entry.at} />
          </span>
        </div>
      ))}
    </Section>
  );
}
