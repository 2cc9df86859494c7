import { IconLock, IconLockOpen, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { RecordingView } from "../../../../services/voice/records/contract.ts";
import { callApi, client, invalidate, useApiList } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../../ui/EmptyState.tsx";
import { DataList } from "../../../ui/list/DataList.tsx";
import { StatusBadge } from "../../../ui/StatusBadge.tsx";
import { toastError } from "../../../ui/toast.ts";
import { CallNumber } from "../shared/CallNumber.tsx";
import { Player } from "./Player.tsx";

const refresh = () => invalidate(queries, ["recordingList", "myRecordingList"]);

/** Recorded calls: of the phone system, or one's own. */
export function Recordings({ phoneSystem, mine }: { phoneSystem: string; mine: boolean }) {
  const t = useT();
  const format = useFormat();
  const [removing, setRemoving] = useState<RecordingView>();
  const all = useApiList("recordingList", { phoneSystem: phoneSystem as never }, { enabled: !mine });
  const own = useApiList("myRecordingList", {}, { enabled: mine });
  return (
    <>
      <DataList<RecordingView>
        id="phone-recordings"
        label={t("phone.tab.recordings")}
        list={mine ? own : all}
        rowKey={({ id }) => id}
        rowName={({ fromNumber, toNumber }) => `${fromNumber} – ${toNumber}`}
        search={({ fromNumber, toNumber }) => `${fromNumber} ${toNumber}`}
        columns={[
          {
            key: "from",
            header: t("phone.from"),
            primary: true,
            width: "minmax(150px, 1fr)",
            cell: ({ fromNumber }) => <CallNumber number={fromNumber} />,
          },
          {
            key: "to",
            header: t("phone.to"),
            width: "minmax(150px, 1fr)",
            cell: ({ toNumber }) => <CallNumber number={toNumber} />,
          },
          {
            key: "sound",
            header: t("phoneRecords.recording"),
            width: "minmax(220px, 1.6fr)",
            cell: (one) => (
              <Player
                address={client.url(mine ? "myRecordingDownload" : "recordingDownload", { recording: one.id })}
                name={`${one.fromNumber} – ${one.toNumber}`}
                seconds={one.seconds}
              />
            ),
          },
          {
            key: "at",
            header: t("phoneRecords.at"),
            width: "minmax(170px, 1fr)",
            cell: ({ createdAt }) => format.dateTime(createdAt),
          },
          {
            key: "kept",
            header: t("phoneRecords.keptUntil"),
            cell: ({ legalHold, deletesAt }) =>
              legalHold ? (
                <StatusBadge tone="warn">{t("phoneRecords.held")}</StatusBadge>
              ) : deletesAt ? (
                format.date(deletesAt)
              ) : (
                t("phoneRecords.forever")
              ),
          },
        ]}
        {...(mine
          ? {}
          : {
              rowActions: (one) => [
                {
                  label: t(one.legalHold ? "phoneRecords.liftHold" : "phoneRecords.hold"),
                  icon: one.legalHold ? IconLockOpen : IconLock,
                  onClick: () =>
                    void callApi("recordingUpdate", { recording: one.id, legalHold: !one.legalHold })
                      .then(refresh)
                      .catch(toastError),
                },
                {
                  label: t("phone.delete"),
                  icon: IconTrash,
                  danger: true,
                  disabledReason: one.legalHold ? t("phoneRecords.heldReason") : undefined,
                  onClick: () => setRemoving(one),
                },
              ],
            })}
        empty={<EmptyState picture="done" title={t("phoneRecords.noRecordings")} text={t("phoneRecords.noRecordingsText")} />}
      />
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("phoneRecords.deleteRecording")}
          destroyed={[
            t("phoneRecords.recordingOf", {
              from: removing.fromNumber,
              to: removing.toNumber,
              at: format.dateTime(removing.createdAt),
            }),
          ]}
          kept={[t("phoneRecords.recordingKept")]}
          action={t("phone.delete")}
          onConfirm={async () => {
            await callApi("recordingDelete", { recording: removing.id });
            await refresh();
          }}
        />
      )}
    </>
  );
}
