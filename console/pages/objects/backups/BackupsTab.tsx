import { Button, Group, Skeleton, Stack, Text } from "@mantine/core";
import { IconPencil, IconPlus, IconRestore, IconShieldCheck, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { type Answer, callApi, client, type Item, invalidate, useApi, useApiList } from "../../../api/api.ts";
import { errorText } from "../../../api/errors.ts";
import { useReason } from "../../../frame/failureOf.ts";
import { useCan } from "../../../frame/identity.ts";
import { queries } from "../../../frame/queries.ts";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../../ui/EmptyState.tsx";
import { FormProblem } from "../../../ui/FormProblem.tsx";
import { DataList } from "../../../ui/list/DataList.tsx";
import { Section } from "../../../ui/Section.tsx";
import { StatusBadge, type Tone } from "../../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../../ui/TimeAgo.tsx";
import { toastDone, toastError } from "../../../ui/toast.ts";
import { WorkInProgress } from "../../compute/WorkInProgress.tsx";
import { RestoreDialog } from "./RestoreDialog.tsx";
import { RestoreOutcome, type Restoring } from "./RestoreOutcome.tsx";
import { momentOf, TargetDialog } from "./TargetDialog.tsx";

type Backup = Item<"bucketBackupList">;
type Target = NonNullable<Answer<"bucketBackupTargetGet">["target"]>;
const tones: Record<Backup["state"], Tone> = { creating: "busy", available: "good", failed: "bad", deleting: "busy" };
const lists = ["bucketBackupList", "bucketBackupTargetGet"] as const;

/** Where a bucket is backed up to, and what one can come back to. */
export function BackupsTab({ bucket, readOnly }: { bucket: Bucket; readOnly: boolean }) {
  const t = useT();
  const mayConfigure = useCan()("admin");
  const { data, error } = useApi("bucketBackupTargetGet", { bucket: bucket.name });
  const [editing, setEditing] = useState(false);
  if (error && !data) return <FormProblem>{errorText(error)}</FormProblem>;
  if (!data) return <Skeleton height={160} />;
  const { target } = data;
  return (
    <>
      {target ? (
        <>
          <Place bucket={bucket} target={target} mayConfigure={mayConfigure} onEdit={() => setEditing(true)} />
          <Backups bucket={bucket} readOnly={readOnly} mayDelete={mayConfigure} />
        </>
      ) : (
        <EmptyState
          picture="bucket"
          title={t("bucketBackups.none")}
          text={t(mayConfigure ? "bucketBackups.noneText" : "bucketBackups.noneAdmins")}
          {...(mayConfigure && {
            action: (
              <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setEditing(true)}>
                {t("bucketBackups.target.set")}
              </Button>
            ),
          })}
        />
      )}
      {editing && <TargetDialog bucket={bucket} target={target} onClose={() => setEditing(false)} />}
    </>
  );
}

function Place(props: { bucket: Bucket; target: Target; mayConfigure: boolean; onEdit: () => void }) {
  const t = useT();
  const format = useFormat();
  const { bucket, target } = props;
  const [removing, setRemoving] = useState(false);
  const place = `${target.targetEndpoint}/${target.targetBucket}/${target.prefix}`;
  return (
    <Section
      title={t("bucketBackups.target.title")}
      actions={
        props.mayConfigure && (
          <Group gap="sm">
            <Button variant="default" leftSection={<IconPencil size={16} aria-hidden />} onClick={props.onEdit}>
              {t("bucketBackups.target.change")}
            </Button>
            <Button variant="default" onClick={() => setRemoving(true)}>
              {t("bucketBackups.target.remove")}
            </Button>
          </Group>
        )
      }
    >
      <Text style={{ overflowWrap: "anywhere" }}>{place}</Text>
      <Text size="sm" c="dimmed">
        {target.nextAt === undefined
          ? t("bucketBackups.target.byHand")
          : t("bucketBackups.target.next", {
              when: t(`bucketBackups.when.${momentOf(target.schedule).every}`),
              at: format.dateTime(target.nextAt),
            })}{" "}
        {t("bucketBackups.target.kept", { count: target.keepDays, last: format.number(target.keepLast) })}
      </Text>
      {target.targetEndpoint.startsWith("http:") && (
        <Text size="sm" style={{ color: "var(--k-warn)" }}>
          {t("bucketBackups.target.plain")}
        </Text>
      )}
      <ConfirmDestroy
        opened={removing}
        onClose={() => setRemoving(false)}
        title={t("bucketBackups.target.removeTitle", { bucket: bucket.name })}
        destroyed={[t("bucketBackups.target.removeGone")]}
        kept={[t("bucketBackups.target.removeKept", { place })]}
        action={t("bucketBackups.target.remove")}
        onConfirm={async () => {
          await client.bucketBackupTargetDelete({ bucket: bucket.name });
          await invalidate(queries, [...lists]);
        }}
      />
    </Section>
  );
}

function Backups({ bucket, readOnly, mayDelete }: { bucket: Bucket; readOnly: boolean; mayDelete: boolean }) {
  const t = useT();
  const format = useFormat();
  const backups = useApiList("bucketBackupList", { bucket: bucket.name });
  const [restoring, setRestoring] = useState<Backup>();
  const [begun, setBegun] = useState<Restoring>();
  const [removing, setRemoving] = useState<Backup>();
  const refresh = () => invalidate(queries, [...lists]);
  const operationId = backups.rows?.find((one) => one.operationId !== undefined)?.operationId;
  const busy = operationId !== undefined;
  const why = (backup: Backup, from: Backup["state"][] = ["available"]): string | undefined =>
    busy ? t("bucketBackups.busy") : from.includes(backup.state) ? undefined : t(`bucketBackups.state.${backup.state}`);
  return (
    <>
      <WorkInProgress operationId={operationId} refresh={lists} />
      {begun && <RestoreOutcome key={begun.operationId} restoring={begun} onClose={() => setBegun(undefined)} />}
      <Section
        title={t("bucketBackups.tab")}
        text={t("bucketBackups.text")}
        flush
        actions={
          readOnly ? undefined : (
            <Button
              leftSection={<IconPlus size={16} aria-hidden />}
              disabled={busy}
              title={busy ? t("bucketBackups.busy") : undefined}
              onClick={() =>
                void client
                  .bucketBackupCreate({ bucket: bucket.name })
                  .then(() => toastDone(t("bucketBackups.begun")))
                  .then(refresh)
                  .catch(toastError)
              }
            >
              {t("bucketBackups.make")}
            </Button>
          )
        }
      >
        <DataList
          id="bucket-backups"
          label={t("bucketBackups.tab")}
          list={backups}
          rowKey={({ id }) => id}
          rowName={({ createdAt }) => format.dateTime(createdAt)}
          columns={[
            {
              key: "made",
              header: t("bucketBackups.made"),
              primary: true,
              width: "minmax(190px, 1fr)",
              cell: ({ createdAt }) => format.dateTime(createdAt),
              sort: ({ createdAt }) => createdAt,
            },
            {
              key: "state",
              header: t("ui.status"),
              width: "minmax(120px, 1.6fr)",
              cell: (one) => <State backup={one} />,
            },
            {
              key: "objects",
              header: t("bucketBackups.objects"),
              align: "right",
              cell: ({ objects, leftOut = 0 }) =>
                objects === undefined ? (
                  "–"
                ) : (
                  <span title={leftOut > 0 ? t("bucketBackups.leftOut", { count: leftOut }) : undefined}>
                    {format.number(objects)}
                    {leftOut > 0 && ` (−${format.number(leftOut)})`}
                  </span>
                ),
              sort: ({ objects }) => objects,
            },
            {
              key: "size",
              header: t("bucketBackups.size"),
              align: "right",
              cell: ({ sizeBytes }) => (sizeBytes === undefined ? "–" : format.bytes(sizeBytes)),
              sort: ({ sizeBytes }) => sizeBytes,
            },
            {
              key: "sent",
              header: t("bucketBackups.sent"),
              align: "right",
              cell: ({ sentBytes }) => (sentBytes === undefined ? "–" : format.bytes(sentBytes)),
            },
            {
              key: "by",
              header: t("bucketBackups.by"),
              cell: ({ automatic }) => t(automatic ? "bucketBackups.clock" : "bucketBackups.person"),
            },
          ]}
          {...(readOnly
            ? {}
            : {
                rowActions: (one: Backup) => [
                  {
                    label: t("bucketBackups.restore"),
                    icon: IconRestore,
                    disabledReason: why(one),
                    onClick: () => setRestoring(one),
                  },
                  {
                    label: t("bucketBackups.verify"),
                    icon: IconShieldCheck,
                    disabledReason: why(one),
                    onClick: () => void callApi("bucketBackupVerify", { bucketBackup: one.id }).then(refresh).catch(toastError),
                  },
                  {
                    label: t("bucketBackups.delete"),
                    icon: IconTrash,
                    danger: true,
                    disabledReason: mayDelete
                      ? why(one, ["available", "failed"])
                      : t("ui.needsRole", { role: t("ui.role.admin") }),
                    onClick: () => setRemoving(one),
                  },
                ],
              })}
          empty={<EmptyState picture="disk" title={t("bucketBackups.empty")} text={t("bucketBackups.emptyText")} />}
        />
        {restoring && (
          <RestoreDialog bucket={bucket} backup={restoring} onBegun={setBegun} onClose={() => setRestoring(undefined)} />
        )}
        {removing && (
          <ConfirmDestroy
            opened
            onClose={() => setRemoving(undefined)}
            title={t("bucketBackups.deleteTitle", { at: format.dateTime(removing.createdAt) })}
            destroyed={[t("bucketBackups.deleteGone")]}
            kept={[t("bucketBackups.deleteKept")]}
            action={t("bucketBackups.delete")}
            onConfirm={async () => {
              await callApi("bucketBackupDelete", { bucketBackup: removing.id });
              await refresh();
            }}
          />
        )}
      </Section>
    </>
  );
}

/** How it stands with a backup, and why when it is not well. */
function State({ backup }: { backup: Backup }) {
  const t = useT();
  const incomplete = backup.verification === "failed";
  const failed = useReason(backup.bucketId, backup.stateReason);
  const reason = failed ?? (incomplete ? backup.verificationMessage : undefined);
  return (
    <Stack gap={2} align="flex-start">
      <StatusBadge tone={incomplete ? "bad" : tones[backup.state]}>
        {t(incomplete ? "bucketBackups.incomplete" : `bucketBackups.state.${backup.state}`)}
      </StatusBadge>
      {backup.verification === "passed" && backup.verifiedAt !== undefined && (
        <Text size="xs" c="dimmed">
          {t("bucketBackups.checked")} <TimeAgo at={backup.verifiedAt} />
        </Text>
      )}
      {reason && (
        <Text size="xs" c="dimmed" style={{ whiteSpace: "normal", overflowWrap: "anywhere" }}>
          {reason}
        </Text>
      )}
    </Stack>
  );
}
