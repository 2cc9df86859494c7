import { Button, Group, Switch } from "@mantine/core";
import { callApi, invalidate, useApi } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { Section } from "../../../ui/Section.tsx";
import { toastError } from "../../../ui/toast.ts";
import css from "../phone.module.css";

/** The queues that one answers, with the switch to begin and to rest. */
export function MyQueues() {
  const t = useT();
  const agents = useApi("myQueueList", { limit: 100 }).data?.items ?? [];
  if (agents.length === 0) return null;
  const set = (callQueue: (typeof agents)[number]["callQueueId"], change: { loggedIn?: boolean; paused?: boolean }) =>
    void callApi("myQueueUpdate", { callQueue, ...change })
      .then(() => invalidate(queries, ["myQueueList", "queueLiveGet"]))
      .catch(toastError);
  return (
    <Section title={t("phone.mine.queues")} text={t("phone.mine.queuesText")}>
      <ul className={css.rows}>
        {agents.map((agent) => (
          <li key={agent.callQueueId}>
            <Group justify="space-between">
              <Switch
                label={agent.queueName}
                checked={agent.loggedIn}
                onChange={(event) => set(agent.callQueueId, { loggedIn: event.currentTarget.checked })}
              />
              {agent.loggedIn && (
                <Button size="xs" variant="default" onClick={() => set(agent.callQueueId, { paused: !agent.paused })}>
                  {t(agent.paused ? "phone.mine.resume" : "phone.mine.pause")}
                </Button>
              )}
            </Group>
          </li>
        ))}
      </ul>
    </Section>
  );
}
