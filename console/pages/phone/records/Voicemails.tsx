import { Select } from "@mantine/core";
import { IconArrowForwardUp, IconFolder, IconMailOpened, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { VoicemailView } from "../../../../services/voice/records/contract.ts";
import { callApi, client, invalidate, useApiList } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../../ui/EmptyState.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { required, useForm } from "../../../ui/form.ts";
import { DataList } from "../../../ui/list/DataList.tsx";
import { useListState } from "../../../ui/list/state.ts";
import { StatusBadge } from "../../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../../ui/TimeAgo.tsx";
import { toastError, toastUndo } from "../../../ui/toast.ts";
import { CallNumber } from "../shared/CallNumber.tsx";
import { useExtensionOptions } from "../shared/destinations.ts";
import { Player } from "./Player.tsx";

const folders = ["new", "saved", "deleted"] as const;
const refresh = () => invalidate(queries, ["voicemailList", "myVoicemailList"]);

/** Messages left: of everybody (for those who may), or one's own. */
export function Voicemails(props: { phoneSystem: string; extension?: string; mine: boolean }) {
  const t = useT();
  const state = useListState();
  const { mine } = props;
  const [removing, setRemoving] = useState<VoicemailView>();
  const [forwarding, setForwarding] = useState<VoicemailView>();
  const names = useExtensionOptions(props.phoneSystem);
  const folder = folders.find((one) => one === state.filter("folder"));
  const filter = { ...(props.extension ? { extension: props.extension as never } : {}), ...(folder ? { folder } : {}) };
  const all = useApiList("voicemailList", { phoneSystem: props.phoneSystem as never, ...filter }, { enabled: !mine });
  const own = useApiList("myVoicemailList", filter, { enabled: mine });
  const change = (one: VoicemailView, to: { folder?: (typeof folders)[number]; heard?: boolean }) =>
    callApi(mine ? "myVoicemailUpdate" : "voicemailUpdate", { voicemail: one.id, ...to }).then(refresh);
  const moveToDeleted = (one: VoicemailView) =>
    void change(one, { folder: "deleted" })
      .then(() => toastUndo(t("phoneRecords.voicemailDeleted"), () => change(one, { folder: one.folder })))
      .catch(toastError);
  return (
    <>
      <DataList<VoicemailView>
        id="phone-voicemail"
        label={t("phone.tab.voicemail")}
        list={mine ? own : all}
        rowKey={({ id }) => id}
        rowName={({ fromName, fromNumber }) => fromName ?? fromNumber}
        filters={[
          {
            key: "folder",
            label: t("phoneRecords.folder"),
            options: folders.map((value) => ({ value, label: t(`phoneRecords.folder.${value}`) })),
          },
        ]}
        columns={[
          {
            key: "from",
            header: t("phone.from"),
            primary: true,
            width: "minmax(170px, 1.3fr)",
            cell: ({ fromNumber, fromName }) => <CallNumber number={fromNumber} name={fromName} />,
          },
          ...(mine
            ? []
            : [
                {
                  key: "for",
                  header: t("phoneRecords.for"),
                  cell: ({ extensionId }: VoicemailView) => names.find(({ value }) => value === extensionId)?.label ?? "—",
                },
              ]),
          {
            key: "state",
            header: t("phone.state"),
            width: "minmax(100px, 130px)",
            phone: "bare",
            cell: ({ folder: where, heard }) => (
              <StatusBadge tone={where === "deleted" ? "off" : heard ? "good" : "busy"}>
                {t(where === "deleted" ? "phoneRecords.folder.deleted" : heard ? "phoneRecords.heard" : "phoneRecords.notHeard")}
              </StatusBadge>
            ),
          },
          {
            key: "sound",
            header: t("phoneRecords.message"),
            width: "minmax(220px, 1.6fr)",
            cell: (one) => (
              <Player
                address={client.url(mine ? "myVoicemailDownload" : "voicemailDownload", { voicemail: one.id })}
                name={one.fromName ?? one.fromNumber}
                seconds={one.seconds}
                {...(mine && !one.heard ? { onPlay: () => void change(one, { heard: true }).catch(toastError) } : {})}
              />
            ),
          },
          {
            key: "at",
            header: t("phoneRecords.at"),
            width: "minmax(110px, 140px)",
            cell: ({ createdAt }) => <TimeAgo at={createdAt} />,
          },
          {
            key: "note",
            header: t("phoneRecords.note"),
            optional: true,
            cell: ({ note, forwardedBy }) => [forwardedBy, note].filter(Boolean).join(": ") || "—",
          },
        ]}
        rowActions={(one) => [
          {
            label: t(one.heard ? "phoneRecords.markNew" : "phoneRecords.markHeard"),
            icon: IconMailOpened,
            onClick: () => void change(one, { heard: !one.heard }).catch(toastError),
          },
          ...(one.folder === "saved"
            ? []
            : [
                {
                  label: t(one.folder === "deleted" ? "phoneRecords.bringBack" : "phoneRecords.save"),
                  icon: IconFolder,
                  onClick: () => void change(one, { folder: "saved" }).catch(toastError),
                },
              ]),
          ...(mine ? [{ label: t("phoneRecords.forward"), icon: IconArrowForwardUp, onClick: () => setForwarding(one) }] : []),
          one.folder === "deleted"
            ? { label: t("phoneRecords.deleteForGood"), icon: IconTrash, danger: true, onClick: () => setRemoving(one) }
            : { label: t("phone.delete"), icon: IconTrash, danger: true, onClick: () => moveToDeleted(one) },
        ]}
        empty={<EmptyState picture="done" title={t("phoneRecords.noVoicemail")} text={t("phoneRecords.noVoicemailText")} />}
      />
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("phoneRecords.voicemailGone")}
          destroyed={[t("phoneRecords.voicemailOf", { name: removing.fromName ?? removing.fromNumber })]}
          action={t("phoneRecords.deleteForGood")}
          onConfirm={async () => {
            await callApi(mine ? "myVoicemailDelete" : "voicemailDelete", { voicemail: removing.id });
            await refresh();
          }}
        />
      )}
      {forwarding && <Forward voicemail={forwarding} options={names} onClose={() => setForwarding(undefined)} />}
    </>
  );
}

function Forward(props: { voicemail: VoicemailView; options: { value: string; label: string }[]; onClose: () => void }) {
  const t = useT();
  const form = useForm({
    initial: { extension: "" },
    checks: { extension: required },
    submit: async ({ extension }) => {
      await callApi("myVoicemailForward", { voicemail: props.voicemail.id, extension: extension as never });
      props.onClose();
    },
  });
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      title={t("phoneRecords.forward")}
      text={t("phoneRecords.forwardText")}
      form={form}
      action={t("phoneRecords.forward")}
    >
      <Select
        label={t("phone.extension")}
        searchable
        limit={60}
        data={props.options.filter(({ value }) => value !== props.voicemail.extensionId)}
        {...form.choice("extension")}
      />
    </FormDialog>
  );
}
