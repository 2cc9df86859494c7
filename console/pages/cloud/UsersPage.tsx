import { IconKey, IconPlayerPause, IconPlayerPlay } from "@tabler/icons-react";
import { useState } from "react";
import { type Answer, callApi, type Item, invalidate, useApiList } from "../../api/api.ts";
import { useCan, useIdentity } from "../../frame/identity.ts";
import { NotFoundPage } from "../../frame/NotFoundPage.tsx";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { languageNames, useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { CopyField } from "../../ui/CopyField.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { useListState } from "../../ui/list/state.ts";
import { PersonCell } from "../../ui/PersonCell.tsx";
import { SecretOnce } from "../../ui/SecretOnce.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { toastDone, toastError } from "../../ui/toast.ts";
import { CloudHeader } from "./CloudHeader.tsx";
import { ReasonDialog } from "./ReasonDialog.tsx";

type User = Item<"userList">;
const refresh = () => invalidate(queries, ["userList", "memberList"]);

export default function UsersPage() {
  const t = useT();
  const format = useFormat();
  const { principal: me } = useIdentity();
  const admin = useCan("cloud")("admin");
  const state = useListState();
  const wanted = state.filter("state");
  const users = useApiList(
    "userList",
    { ...(state.words ? { search: state.words } : {}), ...(wanted ? { state: wanted as User["state"] } : {}) },
    { enabled: admin },
  );
  const [suspending, setSuspending] = useState<User>();
  const [resetting, setResetting] = useState<User>();
  const [link, setLink] = useState<{ user: User; answer: Answer<"passwordResetCreate"> }>();
  if (!admin) return <NotFoundPage />;
  const resume = async (user: User) => {
    await callApi("userResume", { user: user.id });
    await refresh();
    toastDone(t("cloud.resumed", { name: user.name }));
  };
  return (
    <>
      <CloudHeader />
      <DataList
        id="users"
        label={t("cloud.people")}
        list={users}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        search="server"
        filters={[
          {
            key: "state",
            label: t("ui.status"),
            options: [
              { value: "active", label: t("ui.active") },
              { value: "suspended", label: t("ui.suspended") },
            ],
          },
        ]}
        columns={[
          {
            key: "name",
            header: t("cloud.person"),
            primary: true,
            width: "minmax(220px, 2fr)",
            sort: ({ name }) => name,
            cell: ({ name, email }) => <PersonCell name={name} detail={email} />,
          },
          {
            key: "state",
            header: t("ui.status"),
            cell: (user) => (
              <span title={user.suspendedReason}>
                <StatusBadge tone={user.state === "active" ? "good" : "bad"}>
                  {user.state === "active" ? t("ui.active") : t("ui.suspended")}
                </StatusBadge>
              </span>
            ),
          },
          {
            key: "secondFactor",
            header: t("cloud.secondFactor"),
            cell: ({ totpEnabled, passkeyCount }) => (
              <StatusBadge tone={totpEnabled || passkeyCount > 0 ? "good" : "warn"}>
                {totpEnabled || passkeyCount > 0 ? t("cloud.on") : t("cloud.off")}
              </StatusBadge>
            ),
          },
          { key: "locale", header: t("cloud.language"), optional: true, cell: ({ locale }) => languageNames[locale] },
          {
            key: "lastSignIn",
            header: t("cloud.lastSignIn"),
            sort: ({ lastSignInAt }) => lastSignInAt,
            cell: ({ lastSignInAt }) => <TimeAgo at={lastSignInAt} never={t("ui.never")} />,
          },
          {
            key: "created",
            header: t("ui.created"),
            sort: ({ createdAt }) => createdAt,
            cell: ({ createdAt }) => <TimeAgo at={createdAt} />,
          },
        ]}
        rowActions={(user) => [
          { label: t("cloud.resetPassword"), icon: IconKey, onClick: () => setResetting(user) },
          user.state === "active"
            ? {
                label: t("cloud.suspend"),
                icon: IconPlayerPause,
                danger: true,
                onClick: () => setSuspending(user),
                disabledReason: user.id === me.id ? t("cloud.notYourself") : undefined,
              }
            : { label: t("cloud.resume"), icon: IconPlayerPlay, onClick: () => void resume(user).catch(toastError) },
        ]}
        empty={<EmptyState picture="people" title={t("cloud.people")} />}
      />
      {suspending && (
        <ReasonDialog
          title={t("cloud.suspendTitle", { name: suspending.name })}
          text={t("cloud.suspendPersonText")}
          action={t("cloud.suspend")}
          onClose={() => setSuspending(undefined)}
          onSend={async (reason) => {
            await callApi("userSuspend", { user: suspending.id, reason });
            await refresh();
          }}
        />
      )}
      <ConfirmDestroy
        opened={resetting !== undefined}
        onClose={() => setResetting(undefined)}
        title={t("cloud.resetTitle", { name: resetting?.name ?? "" })}
        text={t("cloud.resetText")}
        action={t("cloud.resetAction")}
        onConfirm={async () => {
          if (resetting) setLink({ user: resetting, answer: await callApi("passwordResetCreate", { user: resetting.id }) });
        }}
      />
      {link && (
        <SecretOnce
          title={t("cloud.resetLinkTitle", { name: link.user.name })}
          text={t("cloud.resetLinkText", { date: format.dateTime(link.answer.expiresAt) })}
          onClose={() => setLink(undefined)}
        >
          <CopyField value={link.answer.link} label={t("cloud.link")} />
        </SecretOnce>
      )}
    </>
  );
}
