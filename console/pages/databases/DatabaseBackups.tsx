import { Anchor, Button, Group, NumberInput, Select, Stack } from "@mantine/core";
import { IconHistory, IconPlus, IconRestore, IconShieldCheck, IconTrash } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { DatabaseBackupView } from "../../../services/databases/contract.ts";
import { callApi, client, invalidate, useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useOrganisation, useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { Reasoned } from "../../frame/Reasoned.tsx";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { useForm } from "../../ui/form.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { toastError } from "../../ui/toast.ts";
import { CopyDialog } from "./CopyDialog.tsx";
import { hours } from "./DatabaseCreatePage.tsx";
import type { DatabaseTabProps } from "./DatabasePage.tsx";
import css from "./databases.module.css";
import { backupTones, runAction, whyNot } from "./words.ts";

/** What there is to come back to: any moment of a window, and each backup with the proof that it can be restored. */
export default function DatabaseBackups({ database, may }: DatabaseTabProps) {
  const t = useT();
  const format = useFormat();
  const project = useProject();
  const backups = useApiList("databaseBackupList", { project: project.id, database: database.id });
  const [recovering, setRecovering] = useState(false);
  const [restoring, setRestoring] = useState<DatabaseBackupView>();
  const [removing, setRemoving] = useState<DatabaseBackupView>();
  const recover = whyNot(database, "recover", may) ?? (database.recoverableFrom ? undefined : t("databases.backups.none"));
  const backup = whyNot(database, "backup", may);
  return (
    <>
      {database.bucket !== undefined && (
        <Section
          title={t("databases.backups.moment")}
          text={
            database.recoverableFrom
              ? t("databases.backups.momentText", { from: format.dateTime(database.recoverableFrom) })
              : t("databases.backups.momentNone")
          }
          actions={
            <Button
              variant="default"
              leftSection={<IconHistory size={16} aria-hidden />}
              disabled={recover !== undefined}
              title={recover}
              onClick={() => setRecovering(true)}
            >
              {t("databases.copy.recoverAction")}
            </Button>
          }
        />
      )}
      {database.bucket === undefined ? (
        <EmptyState picture="bucket" title={t("databases.backups.noBucket")} text={t("databases.backups.noBucketText")} />
      ) : (
        <Section
          title={t("databases.backups")}
          text={t("databases.backups.text")}
          flush
          actions={
            <Button
              leftSection={<IconPlus size={16} aria-hidden />}
              disabled={backup !== undefined}
              title={backup}
              onClick={() => runAction("databaseBackupCreate", database.id)}
            >
              {t("databases.backups.make")}
            </Button>
          }
        >
          <DataList
            id="database-backups"
            label={t("databases.backups")}
            list={backups}
            rowKey={({ id }) => id}
            rowName={({ createdAt }) => format.dateTime(createdAt)}
            columns={[
              {
                key: "made",
                header: t("databases.backups.made"),
                primary: true,
                width: "minmax(190px, 1.2fr)",
                cell: ({ createdAt, finishedAt }) => format.dateTime(finishedAt ?? createdAt),
                sort: ({ createdAt }) => createdAt,
              },
              {
                key: "state",
                header: t("databases.state"),
                cell: (one) => (
                  <Reasoned of={one.id} reason={one.stateReason}>
                    <StatusBadge tone={backupTones[one.state]}>{t(`databases.backupState.${one.state}`)}</StatusBadge>
                  </Reasoned>
                ),
              },
              {
                key: "proof",
                header: t("databases.backups.proof"),
                width: "minmax(180px, 1.8fr)",
                cell: (one) => <Proof backup={one} />,
              },
              {
                key: "size",
                header: t("databases.backups.size"),
                align: "right",
                width: "minmax(88px, 120px)",
                cell: ({ sizeBytes }) => (sizeBytes === undefined ? "–" : format.memory(sizeBytes)),
                sort: ({ sizeBytes }) => sizeBytes,
              },
              {
                key: "by",
                header: t("databases.backups.by"),
                width: "minmax(112px, 1fr)",
                cell: ({ automatic }) => t(automatic ? "databases.backups.clock" : "databases.backups.person"),
              },
              { key: "version", header: t("databases.version"), optional: true, cell: ({ version }) => `PostgreSQL ${version}` },
            ]}
            {...(may
              ? {
                  rowActions: (one: DatabaseBackupView) => [
                    {
                      label: t("databases.copy.restoreAction"),
                      icon: IconRestore,
                      disabledReason: one.allowedActions.includes("restore")
                        ? undefined
                        : t(`databases.backupState.${one.state}`),
                      onClick: () => setRestoring(one),
                    },
                    {
                      label: t("databases.backups.verify"),
                      icon: IconShieldCheck,
                      disabledReason:
                        one.operationId !== undefined
                          ? t("databases.why.busy")
                          : one.allowedActions.includes("verify")
                            ? undefined
                            : t(`databases.backupState.${one.state}`),
                      onClick: () =>
                        void callApi("databaseBackupVerify", { databaseBackup: one.id })
                          .then(() => invalidate(queries, ["databaseBackupList"]))
                          .catch(toastError),
                    },
                    {
                      label: t("databases.backups.delete"),
                      icon: IconTrash,
                      danger: true,
                      disabledReason: one.allowedActions.includes("delete") ? undefined : t(`databases.backupState.${one.state}`),
                      onClick: () => setRemoving(one),
                    },
                  ],
                }
              : {})}
            empty={<EmptyState picture="disk" title={t("databases.backups.empty")} text={t("databases.backups.emptyText")} />}
          />
        </Section>
      )}
      {may && <Schedule key={database.revision} database={database} />}
      {recovering && <CopyDialog kind="recover" database={database} onClose={() => setRecovering(false)} />}
      {restoring && <CopyDialog kind="restore" backup={restoring} onClose={() => setRestoring(undefined)} />}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("databases.backups.deleteTitle", { at: format.dateTime(removing.finishedAt ?? removing.createdAt) })}
          destroyed={[t("databases.backups.deleteText"), t("databases.backups.deleteLog")]}
          kept={[t("databases.backups.deleteKept")]}
          action={t("databases.backups.delete")}
          onConfirm={async () => {
            await callApi("databaseBackupDelete", { databaseBackup: removing.id });
            await invalidate(queries, ["databaseBackupList", "databaseGet"]);
          }}
        />
      )}
    </>
  );
}

/** What a restore for a test has found. */
function Proof({ backup }: { backup: DatabaseBackupView }) {
  const t = useT();
  const { verification } = backup;
  if (verification === "passed")
    return (
      <Group gap="xs" title={backup.verificationMessage}>
        <StatusBadge tone="good">{t("databases.proof.passed")}</StatusBadge> <TimeAgo at={backup.verifiedAt} />
      </Group>
    );
  if (verification === "failed")
    return (
      <span title={backup.verificationMessage}>
        <StatusBadge tone="bad">{t("databases.proof.failed")}</StatusBadge>
      </span>
    );
  return verification === "running" ? (
    <StatusBadge tone="busy">{t("databases.proof.running")}</StatusBadge>
  ) : (
    <span className={css.muted}>{t("databases.proof.none")}</span>
  );
}

/** When it is backed up, into what, and how long backups are kept. */
function Schedule({ database }: { database: DatabaseTabProps["database"] }) {
  const t = useT();
  const organisation = useOrganisation();
  const project = useProject();
  const buckets = useApiList("bucketList", { project: project.id }, { enabled: database.bucket === undefined });
  const form = useForm({
    initial: {
      bucket: "",
      backupHour: database.backupHour,
      keepDays: database.keepDays as number,
    },
    submit: async ({ bucket, backupHour, keepDays }) => {
      await client.databaseUpdate(
        { database: database.id, backupHour, keepDays, ...(bucket === "" ? {} : { bucket }) },
        { ifMatch: database.revision },
      );
      await invalidate(queries, ["databaseGet", "databaseList", "databaseBackupList"]);
    },
  });
  return (
    <Section title={t("databases.schedule")} text={t("databases.scheduleText")}>
      <form onSubmit={form.onSubmit} noValidate>
        <Stack gap="md" maw={420}>
          <FormProblem>{form.problem}</FormProblem>
          {database.bucket === undefined && (
            <Select
              label={t("databases.bucket")}
              placeholder={t("databases.chooseBucket")}
              data={(buckets.rows ?? []).map(({ name }) => name)}
              {...form.choice("bucket")}
              description={
                <Anchor component={Link} size="xs" to={projectAddress(organisation.slug, project.slug, "buckets")}>
                  {t("frame.nav.buckets")}
                </Anchor>
              }
            />
          )}
          <Group grow align="flex-start">
            <Select
              label={t("databases.backupHour")}
              allowDeselect={false}
              data={hours}
              value={String(form.values.backupHour)}
              onChange={(hour) => form.set("backupHour", Number(hour))}
            />
            <NumberInput
              label={t("databases.keepDays")}
              min={1}
              max={365}
              allowDecimal={false}
              {...form.choice("keepDays")}
              onChange={(value) => form.set("keepDays", Number(value))}
            />
          </Group>
          <Group>
            <Button type="submit" loading={form.sending}>
              {t("ui.save")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Section>
  );
}
