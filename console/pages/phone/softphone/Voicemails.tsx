import { ActionIcon } from "@mantine/core";
import { IconPhone, IconTrash } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { Extension } from "../../../../services/voice/extensions/contract.ts";
import type { VoicemailView } from "../../../../services/voice/records/contract.ts";
import { callApi, client, invalidate, useApi } from "../../../api/api.ts";
import { projectAddress } from "../../../frame/address.ts";
import { useIdentity } from "../../../frame/identity.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { TimeAgo } from "../../../ui/TimeAgo.tsx";
import { toastError, toastUndo } from "../../../ui/toast.ts";
import { Player } from "../records/Player.tsx";
import { isCallable, readable } from "./numbers.ts";
import css from "./softphone.module.css";

const shownAtOnce = 50;
const refresh = () => invalidate(queries, ["myVoicemailList"]);
const change = (voicemail: VoicemailView, to: { folder?: VoicemailView["folder"]; heard?: boolean }) =>
  callApi("myVoicemailUpdate", { voicemail: voicemail.id, ...to }).then(refresh);

/** How many of the extension's messages nobody has listened to. */
export function useUnheard(extension: Extension): number {
  const found = useApi("myVoicemailList", { extension: extension.id, folder: "new", limit: shownAtOnce });
  return found.data?.items.filter(({ heard }) => !heard).length ?? 0;
}

/** The messages of this extension: listened to, called back and deleted without leaving the phone. */
export function Voicemails(props: {
  extension: Extension;
  ready: boolean;
  onCall: (number: string) => void;
  onClose: () => void;
}) {
  const t = useT();
  const { extension, ready } = props;
  const found = useApi("myVoicemailList", { extension: extension.id, limit: shownAtOnce });
  const all = found.data?.items.filter(({ folder }) => folder !== "deleted");
  const remove = (one: VoicemailView) =>
    void change(one, { folder: "deleted" })
      .then(() => toastUndo(t("softphone.voicemailDeleted"), () => change(one, { folder: one.folder })))
      .catch(toastError);
  if (all?.length === 0) return <p className={css.none}>{t("softphone.noVoicemail")}</p>;
  return (
    <>
      <ul className={css.recent} aria-busy={all === undefined} aria-label={t("softphone.part.voicemail")}>
        {all?.map((one) => {
          const name = one.fromName ?? (isCallable(one.fromNumber) ? readable(one.fromNumber) : t("softphone.hidden"));
          return (
            <li key={one.id} className={css.message} data-new={!one.heard || undefined}>
              <div className={css.me}>
                <b className={css.from} data-new={!one.heard || undefined}>
                  {name}
                </b>
                <span className={css.muted}>
                  {!one.heard && <>{t("softphone.newVoicemail")} · </>}
                  <TimeAgo at={one.createdAt} />
                </span>
              </div>
              <div className={css.listen}>
                <Player
                  address={client.url("myVoicemailDownload", { voicemail: one.id })}
                  name={name}
                  seconds={one.seconds}
                  words="softphone"
                  {...(one.heard ? {} : { onPlay: () => void change(one, { heard: true }).catch(toastError) })}
                />
                <span style={{ flex: 1 }} />
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  size={30}
                  disabled={!ready || !isCallable(one.fromNumber)}
                  aria-label={t("softphone.callBack", { name })}
                  onClick={() => props.onCall(one.fromNumber)}
                >
                  <IconPhone size={16} stroke={1.7} />
                </ActionIcon>
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  size={30}
                  aria-label={t("softphone.deleteVoicemail", { name })}
                  onClick={() => remove(one)}
                >
                  <IconTrash size={16} stroke={1.7} />
                </ActionIcon>
              </div>
            </li>
          );
        })}
      </ul>
      <AllOfThem extension={extension} onClose={props.onClose} />
    </>
  );
}

/** Folders, forwarding and what was deleted are on the page. */
function AllOfThem({ extension, onClose }: { extension: Extension; onClose: () => void }) {
  const t = useT();
  const identity = useIdentity();
  const place = identity.organisations
    .flatMap((organisation) => organisation.projects.map((project) => ({ organisation, project })))
    .find(({ project }) => project.id === extension.projectId);
  if (!place) return null;
  return (
    <Link
      className={css.all}
      to={projectAddress(place.organisation.slug, place.project.slug, "my-phone/voicemail")}
      onClick={onClose}
    >
      {t("softphone.allVoicemails")}
    </Link>
  );
}
