import { IconArrowForwardUp, IconParking, IconPhoneOff, IconPlayerRecord, IconPlayerStop } from "@tabler/icons-react";
import { useState } from "react";
import type { ActiveCall, CallAction } from "../../../../services/voice/live/contract.ts";
import { callApi, invalidate, useApi, useApiList } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { DataList } from "../../../ui/list/DataList.tsx";
import { Section } from "../../../ui/Section.tsx";
import { StatusBadge } from "../../../ui/StatusBadge.tsx";
import { toastDone, toastError } from "../../../ui/toast.ts";
import css from "../phone.module.css";
import { CallNumber } from "../shared/CallNumber.tsx";
import { Clock } from "../shared/Clock.tsx";
import type { PhonePlace } from "../shared/PhonePage.tsx";
import { TransferDialog } from "./TransferDialog.tsx";
import { callWords } from "./words.ts";

export const actOnCall = async (call: ActiveCall, act: CallAction): Promise<void> => {
  await callApi("activeCallAct", { activeCall: call.id, do: act });
  await invalidate(queries, ["activeCallList"]);
};

/** Who speaks with whom now; whoever may sends calls on, parks, records and ends them. */
export function ActiveCalls({ system, may }: PhonePlace) {
  const t = useT();
  const calls = useApiList("activeCallList", { phoneSystem: system.id });
  const lots = useApi("parkingLotList", { phoneSystem: system.id, limit: 1 }, { enabled: may }).data?.items;
  const [sent, setSent] = useState<ActiveCall>();
  const [ended, setEnded] = useState<ActiveCall>();
  const act = (call: ActiveCall, action: CallAction, done?: string) =>
    void actOnCall(call, action)
      .then(() => done && toastDone(done))
      .catch(toastError);
  const actions = (call: ActiveCall) => {
    const unanswered = call.answeredAt ? undefined : t("phone.unanswered");
    return [
      {
        label: t("phone.transferCall"),
        icon: IconArrowForwardUp,
        disabledReason: unanswered,
        onClick: () => setSent(call),
      },
      {
        label: t("phone.parkCall"),
        icon: IconParking,
        disabledReason:
          unanswered ??
          (call.state === "parked" ? t("phone.parkedAlready") : lots?.length === 0 ? t("phone.noParkingLot") : undefined),
        onClick: () => act(call, { action: "park" }, t("phone.callParked")),
      },
      call.recording
        ? { label: t("phone.recordStop"), icon: IconPlayerStop, onClick: () => act(call, { action: "record_stop" }) }
        : {
            label: t("phone.recordCall"),
            icon: IconPlayerRecord,
            disabledReason: unanswered,
            onClick: () => act(call, { action: "record_start" }),
          },
      { label: t("phone.hangUpCall"), icon: IconPhoneOff, danger: true, onClick: () => setEnded(call) },
    ];
  };
  return (
    <Section title={t("phone.active")} text={t("phone.activeText")} flush>
      <DataList<ActiveCall>
        id="phone-active"
        label={t("phone.active")}
        list={calls}
        rowKey={({ id }) => id}
        rowName={callWords}
        columns={[
          {
            key: "from",
            header: t("phone.from"),
            primary: true,
            width: "minmax(160px, 1.3fr)",
            cell: ({ from, fromName }) => <CallNumber number={from} name={fromName} />,
          },
          {
            key: "to",
            header: t("phone.to"),
            width: "minmax(160px, 1.3fr)",
            cell: ({ to, toName }) => <CallNumber number={to} name={toName} />,
          },
          {
            key: "state",
            header: t("phone.state"),
            cell: ({ state, recording }) => (
              <span className={css.badges}>
                <StatusBadge tone={state === "talking" || state === "conference" ? "good" : "busy"}>
                  {t(`phone.callState.${state}`)}
                </StatusBadge>
                {recording && <StatusBadge tone="bad">{t("phone.recordingNow")}</StatusBadge>}
              </span>
            ),
          },
          { key: "lasts", header: t("phone.lasts"), width: "90px", cell: ({ startedAt }) => <Clock since={startedAt} /> },
        ]}
        {...(may ? { rowActions: actions } : {})}
        empty={<p style={{ margin: 0, padding: 20, color: "var(--k-muted)" }}>{t("phone.activeNone")}</p>}
      />
      {sent && <TransferDialog call={sent} onClose={() => setSent(undefined)} />}
      {ended && (
        <ConfirmDestroy
          opened
          onClose={() => setEnded(undefined)}
          title={t("phone.hangUpTitle", { call: callWords(ended) })}
          text={t("phone.hangUpText")}
          action={t("phone.hangUpCall")}
          onConfirm={() => actOnCall(ended, { action: "hang_up" })}
        />
      )}
    </Section>
  );
}
