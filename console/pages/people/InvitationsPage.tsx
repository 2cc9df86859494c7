import { Button, Select, TextInput } from "@mantine/core";
import { IconMailX, IconUserPlus } from "@tabler/icons-react";
import { useState } from "react";
import type { Role } from "../../../kernel/contract.ts";
import { type Answer, type Item, useApiList, useChange } from "../../api/api.ts";
import { useOrganisation } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { CopyField } from "../../ui/CopyField.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { emailCheck, useForm } from "../../ui/form.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { RoleSelect } from "../../ui/RoleSelect.tsx";
import { SecretOnce } from "../../ui/SecretOnce.tsx";
import { StatusBadge, type Tone } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { PeopleHeader } from "./PeopleHeader.tsx";

type Invitation = Item<"invitationList">;
const tones: Record<Invitation["state"], Tone> = { pending: "busy", accepted: "good", revoked: "off", expired: "off" };
const states = ["pending", "accepted", "revoked", "expired"] as const;

export default function InvitationsPage() {
  const t = useT();
  const organisation = useOrganisation();
  const invitations = useApiList("invitationList", { organisation: organisation.id });
  const [creating, setCreating] = useAddressFlag("create");
  const [made, setMade] = useState<Answer<"invitationCreate">>();
  const [revoking, setRevoking] = useState<Invitation>();
  const revoke = useChange("invitationDelete", { refresh: ["invitationList"] });
  const invite = (
    <Button leftSection={<IconUserPlus size={16} stroke={1.8} />} onClick={() => setCreating(true)}>
      {t("people.invite")}
    </Button>
  );
  return (
    <>
      <PeopleHeader actions={invite} />
      <DataList
        id="invitations"
        label={t("people.invitations")}
        list={invitations}
        rowKey={({ id }) => id}
        rowName={({ email }) => email}
        search={({ email }) => email}
        filters={[
          {
            key: "state",
            label: t("ui.status"),
            options: states.map((state) => ({ value: state, label: t(`people.invitation.${state}`) })),
            fits: (invitation, state) => invitation.state === state,
          },
        ]}
        columns={[
          {
            key: "email",
            header: t("ui.email"),
            primary: true,
            width: "minmax(200px, 2fr)",
            sort: ({ email }) => email,
            cell: ({ email }) => email,
          },
          { key: "role", header: t("people.role"), cell: ({ role }) => t(`ui.role.${role}`) },
          {
            key: "where",
            header: t("people.where"),
            cell: ({ projectId }) =>
              organisation.projects.find(({ id }) => id === projectId)?.name ?? t("people.wholeOrganisation"),
          },
          {
            key: "state",
            header: t("ui.status"),
            cell: ({ state }) => <StatusBadge tone={tones[state]}>{t(`people.invitation.${state}`)}</StatusBadge>,
          },
          { key: "by", header: t("people.invitedBy"), optional: true, cell: ({ invitedBy }) => invitedBy },
          {
            key: "expires",
            header: t("people.expires"),
            sort: ({ expiresAt }) => expiresAt,
            cell: ({ expiresAt, state }) => (state === "pending" ? <TimeAgo at={expiresAt} /> : "—"),
          },
        ]}
        rowActions={(invitation) =>
          invitation.state === "pending"
            ? [{ label: t("people.revoke"), icon: IconMailX, danger: true, onClick: () => setRevoking(invitation) }]
            : []
        }
        empty={
          <EmptyState
            picture="letter"
            title={t("people.noInvitations")}
            text={t("people.noInvitationsText")}
            action={invite}
            command={`khmara invitation create --organisation ${organisation.id} --email name@example.org --role editor`}
          />
        }
      />
      {creating && (
        <CreateInvitation
          onClose={() => setCreating(false)}
          onMade={(invitation) => {
            setCreating(false);
            setMade(invitation);
          }}
        />
      )}
      {made && <InvitationLink invitation={made} onClose={() => setMade(undefined)} />}
      <ConfirmDestroy
        opened={revoking !== undefined}
        onClose={() => setRevoking(undefined)}
        title={t("people.revokeTitle", { email: revoking?.email ?? "" })}
        text={t("people.revokeText")}
        action={t("people.revoke")}
        onConfirm={async () => {
          if (revoking) await revoke.mutateAsync({ invitation: revoking.id });
        }}
      />
    </>
  );
}

function CreateInvitation({ onClose, onMade }: { onClose: () => void; onMade: (made: Answer<"invitationCreate">) => void }) {
  const t = useT();
  const organisation = useOrganisation();
  const create = useChange("invitationCreate", { refresh: ["invitationList"] });
  const form = useForm({
    initial: { email: "", role: "editor" as Role, project: "" },
    checks: { email: emailCheck },
    submit: async ({ email, role, project }) =>
      onMade(
        await create.mutateAsync({
          organisation: organisation.id,
          email: email.trim(),
          role,
          ...(project ? { project: project as never } : {}),
        }),
      ),
  });
  const { email, role, project } = form.values;
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("people.inviteTitle")}
      text={t("people.inviteText")}
      form={form}
      action={t("people.makeLink")}
      hint={
        <ApiHint
          route="invitationCreate"
          args={{ organisation: organisation.id, email: email || "name@example.org", role, project: project || undefined }}
        />
      }
    >
      <TextInput label={t("ui.email")} type="email" data-autofocus autoComplete="off" {...form.field("email")} />
      <Select
        label={t("people.where")}
        data={[
          { value: "", label: t("people.wholeOrganisation") },
          ...organisation.projects.map(({ id, name }) => ({ value: id as string, label: name })),
        ]}
        {...form.choice("project")}
      />
      <RoleSelect label={t("people.role")} {...form.choice("role")} />
    </FormDialog>
  );
}

function InvitationLink({ invitation, onClose }: { invitation: Answer<"invitationCreate">; onClose: () => void }) {
  const t = useT();
  const format = useFormat();
  return (
    <SecretOnce
      title={t("people.linkTitle", { email: invitation.email })}
      text={t("people.linkText", { date: format.dateTime(invitation.expiresAt) })}
      onClose={onClose}
    >
      <CopyField label={t("people.link")} value={invitation.link} />
    </SecretOnce>
  );
}
