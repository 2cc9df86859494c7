import { Accordion, Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import type { Backup } from "../../../services/compute/volumes/backups/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { toastError } from "../../ui/toast.ts";
import { whyNot } from "./words.ts";

/** The restore drills of a backup: each really restored it, started the copy and looked. */
export function BackupDrills({ backup, may, onClose }: { backup: Backup; may: boolean; onClose: () => void }) {
  const t = useT();
  const format = useFormat();
  const drills = useApiList("backupVerificationList", { backup: backup.id });
  const [command, setCommand] = useState("");
  const reason = whyNot(backup, "verify", may, t(`disks.state.${backup.state}`));
  const run = () =>
    callApi("backupVerify", { backup: backup.id, ...(command ? { command } : {}) } as never)
      .then(() => invalidate(queries, ["backupList", "backupVerificationList"]))
      .catch(toastError);
  return (
    <Modal
      opened
      onClose={onClose}
      size="xl"
      title={t("disks.drills.title", { name: backup.name })}
      closeButtonProps={{ "aria-label": t("ui.close") }}
    >
      <Stack gap="md">
        <Text c="dimmed">{t(backup.source.kind === "instance" ? "disks.drills.instanceText" : "disks.drills.volumeText")}</Text>
        <Group align="flex-end" gap="sm">
          <TextInput
            style={{ flex: 1 }}
            label={t("disks.drill.command")}
            description={t("disks.drill.commandText")}
            placeholder="pg_lsclusters | grep online"
            value={command}
            onChange={(event) => setCommand(event.currentTarget.value)}
          />
          <Button disabled={reason !== undefined} title={reason} onClick={() => void run()}>
            {t("disks.drill.run")}
          </Button>
        </Group>
        {drills.rows?.length === 0 && (
          <Text size="sm" c="dimmed">
            {t("disks.drills.empty")}
          </Text>
        )}
        <Accordion variant="separated" multiple defaultValue={drills.rows?.[0] ? [drills.rows[0].id] : []}>
          {drills.rows?.map((drill) => (
            <Accordion.Item key={drill.id} value={drill.id}>
              <Accordion.Control>
                <Group gap="sm">
                  <StatusBadge tone={drill.state === "passed" ? "good" : drill.state === "failed" ? "bad" : "busy"}>
                    {t(`disks.drill.state.${drill.state}`)}
                  </StatusBadge>
                  <span>{format.dateTime(drill.startedAt)}</span>
                  {drill.durationSeconds !== undefined && (
                    <Text size="sm" c="dimmed">
                      {format.duration(drill.durationSeconds * 1000)}
                    </Text>
                  )}
                </Group>
              </Accordion.Control>
              <Accordion.Panel>
                <Text size="sm" mb="xs">
                  {drill.message}
                </Text>
                {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long lines scroll, and must do so by keyboard */}
                <pre tabIndex={0} style={{ margin: 0, maxHeight: 320, overflow: "auto", fontSize: 12 }}>
                  {drill.log}
                </pre>
              </Accordion.Panel>
            </Accordion.Item>
          ))}
        </Accordion>
      </Stack>
    </Modal>
  );
}
