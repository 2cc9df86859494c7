import { Button, Modal, Stack } from "@mantine/core";
import { IconArrowDownLeft, IconArrowsHorizontal, IconArrowUpRight, IconDownload, IconPhone } from "@tabler/icons-react";
import { useState } from "react";
import type { PhoneCall } from "../../../../services/voice/records/contract.ts";
import { client, useApi, useApiList } from "../../../api/api.ts";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { EmptyState } from "../../../ui/EmptyState.tsx";
import { DataList } from "../../../ui/list/DataList.tsx";
import { useListState } from "../../../ui/list/state.ts";
import { Facts, Section } from "../../../ui/Section.tsx";
import { StatusBadge, type Tone } from "../../../ui/StatusBadge.tsx";
import { CallNumber } from "../shared/CallNumber.tsx";
import { useCall } from "../softphone/callWith.ts";
import { clock, isCallable, readable } from "../softphone/numbers.ts";
import { Player } from "./Player.tsx";
import { spanStart, spans } from "./period.ts";

const tones: Record<PhoneCall["outcome"], Tone> = {
  answered: "good",
  missed: "bad",
  busy: "warn",
  refused: "warn",
  voicemail: "busy",
  abandoned: "bad",
  callback: "warn",
  failed: "bad",
};
const outcomes = Object.keys(tones) as PhoneCall["outcome"][];
const directions = ["internal", "inbound", "outbound"] as const;
const arrows = { inbound: IconArrowDownLeft, outbound: IconArrowUpRight, internal: IconArrowsHorizontal };

/** Calls that are over: of the phone system, of one extension, or one's own (`mine`). */
export function CallList(props: { phoneSystem: string; extension?: string; mine: boolean }) {
  const t = useT();
  const format = useFormat();
  const state = useListState();
  const dial = useCall();
  const [opened, setOpened] = useState<PhoneCall>();
  const from = spanStart(state.filter("span"));
  const filter = {
    ...(props.extension ? { extension: props.extension as never } : {}),
    ...(state.filter("direction") ? { direction: state.filter("direction") as "inbound" } : {}),
    ...(state.filter("outcome") ? { outcome: state.filter("outcome") as "missed" } : {}),
    ...(state.words ? { number: state.words } : {}),
    ...(from ? { from } : {}),
  };
  const system = { phoneSystem: props.phoneSystem as never };
  const all = useApiList("phoneCallList", { ...system, ...filter }, { enabled: !props.mine });
  const own = useApiList("myPhoneCallList", filter, { enabled: props.mine });
  return (
    <>
      <DataList<PhoneCall>
        id="phone-calls"
        label={t("phone.tab.calls")}
        list={props.mine ? own : all}
        rowKey={({ id }) => id}
        rowName={({ fromNumber, toNumber }) => `${fromNumber} – ${toNumber}`}
        search="server"
        onOpen={setOpened}
        filters={[
          {
            key: "span",
            label: t("phoneRecords.period"),
            options: spans.map((value) => ({ value, label: t(`phoneRecords.span.${value}`) })),
          },
          {
            key: "direction",
            label: t("phone.direction"),
            options: directions.map((value) => ({ value, label: t(`phoneRecords.direction.${value}`) })),
          },
          {
            key: "outcome",
            label: t("phoneRecords.outcome"),
            options: outcomes.map((value) => ({ value, label: t(`phoneRecords.outcome.${value}`) })),
          },
        ]}
        tools={
          !props.mine && (
            <Button
              component="a"
              href={client.url("phoneCallExport", { ...system, ...filter })}
              download
              variant="default"
              leftSection={<IconDownload size={16} aria-hidden />}
            >
              CSV
            </Button>
          )
        }
        columns={[
          {
            key: "from",
            header: t("phone.from"),
            primary: true,
            width: "minmax(180px, 1.4fr)",
            cell: (call) => {
              const Arrow = arrows[call.direction];
              return (
                <span style={{ display: "inline-flex", gap: 6, alignItems: "center", minWidth: 0 }}>
                  <Arrow size={16} stroke={1.8} aria-label={t(`phoneRecords.direction.${call.direction}`)} />
                  <CallNumber plain number={call.fromNumber} name={call.fromName} />
                </span>
              );
            },
          },
          {
            key: "to",
            header: t("phone.to"),
            width: "minmax(160px, 1.3fr)",
            cell: ({ toNumber, toName }) => <CallNumber number={toNumber} name={toName} />,
          },
          {
            key: "outcome",
            header: t("phoneRecords.outcome"),
            width: "minmax(120px, 150px)",
            phone: "bare",
            cell: ({ outcome }) => <StatusBadge tone={tones[outcome]}>{t(`phoneRecords.outcome.${outcome}`)}</StatusBadge>,
          },
          {
            key: "at",
            header: t("phoneRecords.at"),
            width: "minmax(140px, 170px)",
            cell: ({ startedAt }) => format.dateTime(startedAt),
          },
          {
            key: "talk",
            header: t("phoneRecords.talk"),
            width: "80px",
            align: "right",
            cell: ({ talkSeconds }) => (talkSeconds > 0 ? clock(talkSeconds * 1000) : null),
          },
          {
            key: "price",
            header: t("phoneRecords.price"),
            width: "90px",
            align: "right",
            optional: true,
            cell: ({ price, currency }) => (price && currency ? format.money(Number(price), currency) : null),
          },
        ]}
        {...(dial
          ? {
              rowActions: ({ fromNumber, toNumber }: PhoneCall) =>
                [fromNumber, toNumber].filter(isCallable).map((number) => ({
                  label: t("phone.callNumber", { number }),
                  icon: IconPhone,
                  onClick: () => dial(number),
                })),
            }
          : {})}
        empty={<EmptyState picture="search" title={t("phoneRecords.noCalls")} text={t("phoneRecords.noCallsText")} />}
      />
      {opened && <CallDetails call={opened} full={!props.mine} onClose={() => setOpened(undefined)} />}
    </>
  );
}

function CallDetails({ call, full, onClose }: { call: PhoneCall; full: boolean; onClose: () => void }) {
  const t = useT();
  const format = useFormat();
  const legs = useApi("phoneCallGet", { call: call.id }, { enabled: full }).data?.legs ?? [];
  const { quality } = call;
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={t("phoneRecords.callTitle", {
        from: call.fromName ?? (isCallable(call.fromNumber) ? readable(call.fromNumber) : t("phone.hidden")),
        to: call.toName ?? readable(call.toNumber),
      })}
      closeButtonProps={{ "aria-label": t("ui.close") }}
    >
      <Stack gap="md">
        <Facts
          items={[
            [t("phoneRecords.outcome"), t(`phoneRecords.outcome.${call.outcome}`)],
            ...(call.reason ? [[t("phoneRecords.reason"), call.reason] as [string, string]] : []),
            [t("phoneRecords.at"), format.exact(call.startedAt)],
            [t("phoneRecords.wait"), clock(call.waitSeconds * 1000)],
            [t("phoneRecords.talk"), clock(call.talkSeconds * 1000)],
            ...(call.price && call.currency
              ? [[t("phoneRecords.price"), format.money(Number(call.price), call.currency)] as [string, string]]
              : []),
            ...(call.cost && call.currency
              ? [[t("phoneRecords.cost"), format.money(Number(call.cost), call.currency)] as [string, string]]
              : []),
            ...(quality
              ? [
                  [
                    t("phoneRecords.quality"),
                    t("phoneRecords.qualityFigures", {
                      mos: quality.mos === undefined ? "—" : format.number(quality.mos),
                      loss: quality.lossPercent === undefined ? "—" : format.number(quality.lossPercent),
                      jitter: quality.jitterMs === undefined ? "—" : format.number(Math.round(quality.jitterMs)),
                    }),
                  ] as [string, string],
                ]
              : []),
          ]}
        />
        {full &&
          call.recordingIds.map((recording) => (
            <Player
              key={recording}
              address={client.url("recordingDownload", { recording })}
              name={t("phoneRecords.recording")}
              seconds={call.talkSeconds}
            />
          ))}
        {legs.length > 0 && (
          <Section title={t("phoneRecords.legs")}>
            <Facts
              items={legs.map((leg, index) => [
                `${index + 1}. ${leg.name ?? leg.number ?? leg.kind}`,
                [format.time(leg.startedAt), leg.reason, leg.codec, leg.device].filter(Boolean).join(" · "),
              ])}
            />
          </Section>
        )}
      </Stack>
    </Modal>
  );
}
