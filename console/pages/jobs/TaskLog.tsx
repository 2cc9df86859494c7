import { Anchor, Group, Modal, Select } from "@mantine/core";
import { useEffect, useState } from "react";
import type { Task } from "../../../services/compute/jobs/contract.ts";
import { client } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { useT } from "../../i18n/i18n.ts";
import { FollowingLog } from "../../ui/FollowingLog.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { taskTones } from "./words.ts";

/** The browser keeps no more of a log than this; the rest is in the download. */
const mostShown = 512 * 1024;

/** What a task wrote, following it while it runs. Over the page where `onClose` is given, else in it. */
export function TaskLog({ task, onClose }: { task: Task; onClose?: () => void }) {
  const t = useT();
  const [attempt, setAttempt] = useState<number>();
  const shown = attempt ?? Math.max(task.attempt, 1);
  const text = useLog(task.id, shown, task.attempt > 0);
  const content = (
    <>
      <Group justify="space-between" mb="sm">
        <Group gap="sm">
          <StatusBadge tone={taskTones[task.state]}>{t(`jobs.state.${task.state}`)}</StatusBadge>
          {task.stateReason}
        </Group>
        <Group gap="md">
          {task.attempt > 1 && (
            <Select
              size="xs"
              aria-label={t("jobs.attempt")}
              allowDeselect={false}
              data={Array.from({ length: task.attempt }, (_, index) => ({
                value: String(index + 1),
                label: t("jobs.attemptNumber", { number: index + 1 }),
              }))}
              value={String(shown)}
              onChange={(value) => setAttempt(Number(value))}
            />
          )}
          <Anchor size="sm" href={`/api/v1/tasks/${task.id}/log/content?attempt=${shown}`} download={`task-${task.index}.log`}>
            {t("jobs.download")}
          </Anchor>
        </Group>
      </Group>
      <FollowingLog text={text || t(task.attempt === 0 ? "jobs.notBegun" : "jobs.nothingWritten")} />
    </>
  );
  if (!onClose) return content;
  return (
    <Modal
      opened
      onClose={onClose}
      size="xl"
      title={t("jobs.task", { index: task.index })}
      closeButtonProps={{ "aria-label": t("ui.close") }}
    >
      {content}
    </Modal>
  );
}

/** Each answer waits for more, so that lines are there as soon as they are written. */
function useLog(task: Task["id"], attempt: number, begun: boolean): string {
  const [text, setText] = useState("");
  useEffect(() => {
    setText("");
    if (!begun) return;
    let stopped = false;
    const follow = async () => {
      let offset: number | undefined;
      while (!stopped) {
        const log = await client.taskLogGet({
          task,
          attempt,
          ...(offset === undefined ? {} : { offset, waitSeconds: 20 }),
        } as never);
        if (stopped) return;
        setText((before) => (before + log.text).slice(-mostShown));
        offset = log.nextOffset;
        if (log.finished && log.nextOffset >= log.sizeBytes) return;
      }
    };
    follow().catch((error: unknown) => !stopped && setText((before) => `${before}\n${errorText(error)}`));
    return () => {
      stopped = true;
    };
  }, [task, attempt, begun]);
  return text;
}
