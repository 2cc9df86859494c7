import { Button, Group, Switch } from "@mantine/core";
import { useState } from "react";
import { callApi, type Item, invalidate, useApi } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { Section } from "../../../ui/Section.tsx";
import { toastError } from "../../../ui/toast.ts";
import { PauseDialog } from "../flow/PauseDialog.tsx";
import css from "../phone.module.css";

type Queue = Item<"myQueueList">;

/** The queues that one answers, with the switch to begin and to rest. */
export function MyQueues() {
  const t = useT();
  const [pausing, setPausing] = useState<Queue>();
  const agents = useApi("myQueueList", { limit: 100 }).data?.items ?? [];
  if (agents.length === 0) return null;
  const change = async (callQueue: Queue["callQueueId"], to: { loggedIn?: boolean; paused?: boolean; pauseReason?: string }) => {
    await callApi("myQueueUpdate", { callQueue, ...to });
    await invalidate(queries, ["myQueueList", "queueLiveGet"]);
  };
  const set = (...given: Parameters<typeof change>) => void change(...given).catch(toastError);
  return (
    <Section title={t("phone.mine.queues")} text={t("phone.mine.queuesText")}>
      <ul className={css.rows}>
        {agents.map((agent) => (
          <li key={agent.callQueueId}>
            <Group justify="space-between">
              <Switch
                label={agent.queueName}
                description={agent.paused ? agent.pauseReason : undefined}
                checked={agent.loggedIn}
                onChange={(event) => set(agent.callQueueId, { loggedIn: event.currentTarget.checked })}
              />
              {agent.loggedIn && (
                <Button
                  size="xs"
                  variant="default"
                  onClick={() => (agent.paused ? set(agent.callQueueId, { paused: false }) : setPausing(agent))}
                >
                  {t(agent.paused ? "phone.mine.resume" : "phone.mine.pause")}
                </Button>
              )}
            </Group>
          </li>
        ))}
      </ul>
      {pausing && (
        <PauseDialog
          name={pausing.queueName}
          onPause={(reason) => change(pausing.callQueueId, { paused: true, ...(reason ? { pauseReason: reason } : {}) })}
          onClose={() => setPausing(undefined)}
        />
      )}
    </Section>
  );
}
