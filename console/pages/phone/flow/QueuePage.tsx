import { Button, Menu } from "@mantine/core";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import type { QueueLive } from "../../../../services/voice/live/contract.ts";
import { callApi, invalidate, useApi } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ErrorPage } from "../../../ui/ErrorPage.tsx";
import { PageSkeleton } from "../../../ui/PageSkeleton.tsx";
import { Section } from "../../../ui/Section.tsx";
import { StatusBadge, type Tone } from "../../../ui/StatusBadge.tsx";
import { toastError } from "../../../ui/toast.ts";
import css from "../phone.module.css";
import { CallNumber } from "../shared/CallNumber.tsx";
import { Clock } from "../shared/Clock.tsx";
import { ElementPage } from "../shared/ElementPage.tsx";
import { PauseDialog } from "./PauseDialog.tsx";
import { queueForm } from "./queueForm.tsx";

type Agent = QueueLive["agents"][number];
const tones: Record<Agent["state"], Tone> = {
  logged_out: "off",
  paused: "warn",
  free: "good",
  ringing: "busy",
  talking: "busy",
  wrap_up: "warn",
  unreachable: "bad",
};

/** The wallboard of a queue: who waits, what its agents do, how the day goes. Live, by events. */
export default function QueuePage() {
  const t = useT();
  const { queue: id } = useParams({ strict: false }) as { queue: string };
  const query = useApi("callQueueGet", { callQueue: id as never });
  const live = useApi("queueLiveGet", { callQueue: id as never }, { refetchInterval: 15_000 });
  if (query.error && !query.data) return <ErrorPage error={query.error} reset={() => void query.refetch()} />;
  if (!query.data) return <PageSkeleton />;
  const queue = query.data;
  return (
    <ElementPage
      tab="queues"
      form={queueForm}
      element={queue}
      text={[queue.number, t(`phoneFlow.strategy.${queue.strategy}`)].filter(Boolean).join(" · ")}
    >
      {({ may }) => (live.data ? <Board live={live.data} may={may} level={queue.serviceLevelSeconds} /> : <PageSkeleton />)}
    </ElementPage>
  );
}

function Board({ live, may, level }: { live: QueueLive; may: boolean; level: number }) {
  const t = useT();
  const format = useFormat();
  const { today } = live;
  const tiles: [label: string, value: string][] = [
    [t("phoneFlow.board.waiting"), format.number(live.waiting.length)],
    [t("phoneFlow.board.longest"), format.duration(live.longestWaitSeconds * 1000)],
    [t("phoneFlow.board.answered"), t("phone.of", { part: today.answered, all: today.offered })],
    [t("phoneFlow.board.abandoned"), format.number(today.abandoned)],
    [t("phoneFlow.board.inTime", { seconds: level }), today.offered > 0 ? format.percent(today.inTime / today.offered) : "—"],
    [t("phoneFlow.board.average"), format.duration(today.averageWaitSeconds * 1000)],
  ];
  return (
    <>
      <div className={css.tiles}>
        {tiles.map(([label, value]) => (
          <div key={label} className={css.tile}>
            <small>{label}</small>
            <b>{value}</b>
          </div>
        ))}
      </div>
      <Section title={t("phoneFlow.board.callers")}>
        {live.waiting.length === 0 ? (
          <p className={css.muted}>{t("phoneFlow.board.nobody")}</p>
        ) : (
          <ul className={css.rows}>
            {live.waiting.map((caller) => (
              <li key={caller.callId} className={css.waiting}>
                <CallNumber number={caller.from} name={caller.fromName} />
                {caller.callback && <small>{t("phoneFlow.board.callback")}</small>}
                <Clock since={caller.since} lateSeconds={level} />
              </li>
            ))}
          </ul>
        )}
      </Section>
      <Section title={t("phoneFlow.agents")} text={t("phoneFlow.board.agentsText")}>
        <div className={css.board}>
          {live.agents.map((agent) => (
            <AgentCard key={agent.extensionId} agent={agent} queue={live.queueId} may={may} />
          ))}
        </div>
      </Section>
    </>
  );
}

function AgentCard({ agent, queue, may }: { agent: Agent; queue: QueueLive["queueId"]; may: boolean }) {
  const t = useT();
  const [pausing, setPausing] = useState(false);
  const change = async (to: { loggedIn?: boolean; paused?: boolean; pauseReason?: string }) => {
    await callApi("queueAgentUpdate", { callQueue: queue, extension: agent.extensionId, ...to });
    await invalidate(queries, ["queueLiveGet", "queueAgentList"]);
  };
  const set = (to: Parameters<typeof change>[0]) => void change(to).catch(toastError);
  const badge = <StatusBadge tone={tones[agent.state]}>{t(`phoneFlow.agentState.${agent.state}`)}</StatusBadge>;
  const isIn = agent.state !== "logged_out";
  return (
    <div className={css.agent}>
      <span>
        {agent.name}
        <small>
          {agent.number}
          {agent.since && (
            <>
              {" · "}
              <Clock since={agent.since} />
            </>
          )}
          {agent.pauseReason && ` · ${agent.pauseReason === "missed_calls" ? t("phoneFlow.missedCalls") : agent.pauseReason}`}
        </small>
      </span>
      {may ? (
        <Menu>
          <Menu.Target>
            <Button
              variant="subtle"
              color="gray"
              size="compact-sm"
              aria-label={`${t("phoneFlow.changeAgent", { name: agent.name })}: ${t(`phoneFlow.agentState.${agent.state}`)}`}
            >
              {badge}
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => set({ loggedIn: !isIn })}>{t(isIn ? "phoneFlow.logOut" : "phoneFlow.logIn")}</Menu.Item>
            {isIn && (
              <Menu.Item onClick={() => (agent.state === "paused" ? set({ paused: false }) : setPausing(true))}>
                {t(agent.state === "paused" ? "phoneFlow.resume" : "phoneFlow.pause")}
              </Menu.Item>
            )}
          </Menu.Dropdown>
        </Menu>
      ) : (
        badge
      )}
      {pausing && (
        <PauseDialog
          name={agent.name}
          onPause={(reason) => change({ paused: true, ...(reason ? { pauseReason: reason } : {}) })}
          onClose={() => setPausing(false)}
        />
      )}
    </div>
  );
}
