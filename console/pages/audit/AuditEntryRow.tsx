import { Button } from "@mantine/core";
import { IconChevronRight, IconRobot, IconSettings, IconUserQuestion } from "@tabler/icons-react";
import { memo, type ReactNode } from "react";
import type { AuditEntry } from "../../../services/audit/contract.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyButton } from "../../ui/CopyField.tsx";
import { initials } from "../../ui/initials.ts";
import css from "./audit.module.css";
import { Difference } from "./Difference.tsx";
import { actorName, agentName, resourceKind, resourceName, sentence } from "./sentences.ts";

interface Props {
  entry: AuditEntry;
  opened: boolean;
  onToggle: () => void;
  onFilter: (change: { actor?: string; resource?: string; action?: string }) => void;
}

export const AuditEntryRow = memo(
  function AuditEntryRow({ entry, opened, onToggle, onFilter }: Props) {
    const t = useT();
    const format = useFormat();
    const id = `audit-${entry.sequence}`;
    return (
      <li className={css.entry} data-opened={opened || undefined}>
        <button
          type="button"
          className={css.line}
          aria-expanded={opened}
          aria-controls={opened ? id : undefined}
          onClick={onToggle}
        >
          <Face entry={entry} />
          <span className={css.sentence}>
            <b>{actorName(entry)}</b> {sentence(entry, <b>{resourceName(entry)}</b>)}
          </span>
          <span className={css.where}>{entry.sourceIp ?? ""}</span>
          <time className={css.time} dateTime={entry.at} title={format.exact(entry.at)}>
            {format.time(entry.at)}
          </time>
          <IconChevronRight size={16} className={css.chevron} aria-hidden />
        </button>
        {opened && (
          <div id={id} className={css.detail}>
            <Difference before={entry.before} after={entry.after} />
            <dl className={css.facts}>
              <Fact label={t("audit.when")}>{format.exact(entry.at)}</Fact>
              <Fact label={t("audit.resource")}>
                {resourceKind(entry)} · {entry.resource.id} <CopyButton value={entry.resource.id} size={22} />
              </Fact>
              <Fact label={t("audit.action")}>
                <code>{entry.action}</code>
              </Fact>
              {entry.sourceIp && (
                <Fact label={t("audit.from")}>{[entry.sourceIp, agentName(entry.userAgent)].filter(Boolean).join(" · ")}</Fact>
              )}
              {entry.requestId && (
                <Fact label={t("audit.request")}>
                  <code>{entry.requestId}</code> <CopyButton value={entry.requestId} size={22} />
                </Fact>
              )}
              <Fact label={t("audit.chain")}>
                {t("audit.chainAt", { sequence: entry.sequence })} <code title={entry.hash}>{entry.hash.slice(0, 16)}…</code>
                <CopyButton value={entry.hash} size={22} />
              </Fact>
            </dl>
            <div className={css.more}>
              {entry.actor.id && (
                <Button size="compact-sm" variant="default" onClick={() => onFilter({ actor: entry.actor.id as string })}>
                  {t("audit.moreActor", { name: actorName(entry) })}
                </Button>
              )}
              <Button size="compact-sm" variant="default" onClick={() => onFilter({ resource: entry.resource.id })}>
                {t("audit.moreResource", { name: resourceName(entry) })}
              </Button>
              <Button size="compact-sm" variant="default" onClick={() => onFilter({ action: entry.action })}>
                {t("audit.moreAction")}
              </Button>
            </div>
          </div>
        )}
      </li>
    );
  },
  // The callbacks are made anew each time and always do the same.
  (a, b) => a.entry === b.entry && a.opened === b.opened,
);

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </>
  );
}

function Face({ entry: { actor } }: { entry: AuditEntry }) {
  return (
    <span className={css.face} data-kind={actor.kind} aria-hidden>
      {actor.kind === "user" ? (
        initials(actor.name)
      ) : actor.kind === "service_account" ? (
        <IconRobot size={16} stroke={1.6} />
      ) : actor.kind === "system" ? (
        <IconSettings size={16} stroke={1.6} />
      ) : (
        <IconUserQuestion size={16} stroke={1.6} />
      )}
    </span>
  );
}
