import { ActionIcon, Button, Menu, Select, TextInput } from "@mantine/core";
import {
  IconDots,
  IconLock,
  IconLockOpen,
  IconMicrophone,
  IconMicrophoneOff,
  IconPhonePlus,
  IconTrash,
  IconUserMinus,
} from "@tabler/icons-react";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import type { ConferenceAction, ConferenceLive } from "../../../../services/voice/live/contract.ts";
import { callApi, invalidate, useApi } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { ErrorPage } from "../../../ui/ErrorPage.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { useForm } from "../../../ui/form.ts";
import { PageSkeleton } from "../../../ui/PageSkeleton.tsx";
import { Section } from "../../../ui/Section.tsx";
import { StatusBadge } from "../../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../../ui/TimeAgo.tsx";
import { toastError } from "../../../ui/toast.ts";
import css from "../phone.module.css";
import { useExtensionOptions } from "../shared/destinations.ts";
import { ElementPage } from "../shared/ElementPage.tsx";
import type { ElementView } from "../shared/Elements.tsx";
import type { PhonePlace } from "../shared/PhonePage.tsx";
import { dialled, readable } from "../softphone/numbers.ts";
import { useRoomForm } from "./roomForm.tsx";

type Room = ElementView<"conferenceRoom">;
type Member = ConferenceLive["members"][number];

/** Who speaks changes by the second; the voice process is asked for it. */
const everyMs = 1500;

const act = (room: Room, action: ConferenceAction) =>
  callApi("conferenceAct", { conferenceRoom: room.id, do: action }).then(() => invalidate(queries, ["conferenceLiveGet"]));

/** A conference room: who is in it now, who speaks, and what a moderator does. */
export default function ConferencePage() {
  const t = useT();
  const { room: id } = useParams({ strict: false }) as { room: string };
  const form = useRoomForm();
  const query = useApi("conferenceRoomGet", { conferenceRoom: id as never });
  if (query.error && !query.data) return <ErrorPage error={query.error} reset={() => void query.refetch()} />;
  if (!query.data) return <PageSkeleton />;
  const room = query.data;
  return (
    <ElementPage
      tab="conferences"
      form={form}
      element={room}
      text={room.number && t("phoneFlow.conference.number", { number: room.number })}
    >
      {(place) => <Live room={room} place={place} />}
    </ElementPage>
  );
}

function Live({ room, place }: { room: Room; place: PhonePlace }) {
  const t = useT();
  const [dialog, setDialog] = useState<"invite" | "end">();
  const live = useApi("conferenceLiveGet", { conferenceRoom: room.id }, { refetchInterval: everyMs });
  const members = live.data?.members ?? [];
  const isLocked = live.data?.locked === true;
  const all = (action: "lock" | "unlock" | "mute_all" | "unmute_all") => void act(room, { action }).catch(toastError);
  if (live.error && !live.data) return <ErrorPage error={live.error} reset={() => void live.refetch()} />;
  if (!live.data) return <PageSkeleton />;
  return (
    <Section
      title={t("phoneFlow.conference.members")}
      text={isLocked ? t("phoneFlow.conference.lockedText") : t("phoneFlow.conference.membersText")}
      actions={
        place.may && (
          <>
            <Button leftSection={<IconPhonePlus size={16} aria-hidden />} onClick={() => setDialog("invite")}>
              {t("phoneFlow.conference.invite")}
            </Button>
            {members.length > 0 && (
              <Menu>
                <Menu.Target>
                  <ActionIcon variant="default" size={36} aria-label={t("phoneFlow.conference.more")}>
                    <IconDots size={18} stroke={1.6} />
                  </ActionIcon>
                </Menu.Target>
                <Menu.Dropdown>
                  <Menu.Item
                    leftSection={isLocked ? <IconLockOpen size={16} aria-hidden /> : <IconLock size={16} aria-hidden />}
                    onClick={() => all(isLocked ? "unlock" : "lock")}
                  >
                    {t(isLocked ? "phoneFlow.conference.unlock" : "phoneFlow.conference.lock")}
                  </Menu.Item>
                  <Menu.Item leftSection={<IconMicrophoneOff size={16} aria-hidden />} onClick={() => all("mute_all")}>
                    {t("phoneFlow.conference.muteAll")}
                  </Menu.Item>
                  <Menu.Item leftSection={<IconMicrophone size={16} aria-hidden />} onClick={() => all("unmute_all")}>
                    {t("phoneFlow.conference.unmuteAll")}
                  </Menu.Item>
                  <Menu.Item color="red" leftSection={<IconTrash size={16} aria-hidden />} onClick={() => setDialog("end")}>
                    {t("phoneFlow.conference.end")}
                  </Menu.Item>
                </Menu.Dropdown>
              </Menu>
            )}
          </>
        )
      }
    >
      {members.length === 0 ? (
        <p className={css.muted}>{t("phoneFlow.conference.empty")}</p>
      ) : (
        <ul className={css.rows}>
          {members.map((member) => (
            <MemberRow key={member.callId} room={room} member={member} may={place.may} />
          ))}
        </ul>
      )}
      {dialog === "invite" && <Invite room={room} place={place} onClose={() => setDialog(undefined)} />}
      {dialog === "end" && (
        <ConfirmDestroy
          opened
          onClose={() => setDialog(undefined)}
          title={t("phoneFlow.conference.endTitle", { name: room.name })}
          destroyed={[t("phoneFlow.conference.endText", { count: members.length })]}
          action={t("phoneFlow.conference.end")}
          onConfirm={() => act(room, { action: "end" })}
        />
      )}
    </Section>
  );
}

function MemberRow({ room, member, may }: { room: Room; member: Member; may: boolean }) {
  const t = useT();
  const { callId, muted } = member;
  const name = member.name ?? (member.number === "anonymous" ? t("phone.hidden") : readable(member.number));
  const state = member.waiting ? "waiting" : muted ? "muted" : member.talking ? "talking" : "listening";
  const tone = { waiting: "warn", muted: "off", talking: "good", listening: "busy" } as const;
  const change = (action: "mute" | "unmute" | "remove") => void act(room, { action, callId }).catch(toastError);
  return (
    <li className={css.member}>
      <span>
        {name}
        {member.moderator && <> · {t("phoneFlow.conference.moderator")}</>}
        <small>
          {member.name && <>{readable(member.number)} · </>}
          <TimeAgo at={member.since} />
        </small>
      </span>
      <StatusBadge tone={tone[state]}>{t(`phoneFlow.conference.state.${state}`)}</StatusBadge>
      {may && (
        <span className={css.acts}>
          <ActionIcon
            variant="subtle"
            color="gray"
            size={34}
            aria-label={t(muted ? "phoneFlow.conference.unmute" : "phoneFlow.conference.mute", { name })}
            onClick={() => change(muted ? "unmute" : "mute")}
          >
            {muted ? <IconMicrophone size={18} stroke={1.6} /> : <IconMicrophoneOff size={18} stroke={1.6} />}
          </ActionIcon>
          <ActionIcon
            variant="subtle"
            color="red"
            size={34}
            aria-label={t("phoneFlow.conference.remove", { name })}
            onClick={() => change("remove")}
          >
            <IconUserMinus size={18} stroke={1.6} />
          </ActionIcon>
        </span>
      )}
    </li>
  );
}

function Invite({ room, place, onClose }: { room: Room; place: PhonePlace; onClose: () => void }) {
  const t = useT();
  const extensions = useExtensionOptions(place.system.id);
  const mine = useApi("myExtensionList", { limit: 50 }, { staleTime: 300_000 }).data?.items ?? [];
  const own = mine.find(({ phoneSystemId }) => phoneSystemId === place.system.id)?.id;
  const form = useForm({
    initial: { number: "", extension: "" },
    checks: { number: (number: string) => (/^[+*#]?\d/.test(dialled(number)) ? undefined : t("phone.numberRule")) },
    submit: async ({ number, extension }) => {
      const onBehalfOf = extension || own || extensions[0]?.value;
      await act(room, { action: "invite", number: dialled(number), extension: onBehalfOf as never });
      onClose();
    },
  });
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("phoneFlow.conference.invite")}
      text={t("phoneFlow.conference.inviteText")}
      form={form}
      action={t("phoneFlow.conference.call")}
    >
      <TextInput
        label={t("phone.number")}
        placeholder="+380 44 123 45 67"
        inputMode="tel"
        autoComplete="off"
        data-autofocus
        {...form.field("number")}
      />
      <Select
        label={t("phoneFlow.conference.onBehalf")}
        description={t("phoneFlow.conference.onBehalfText")}
        searchable
        limit={60}
        data={extensions}
        {...form.choice("extension")}
        value={form.values.extension || own || extensions[0]?.value || null}
      />
    </FormDialog>
  );
}
