import { Button } from "@mantine/core";
import { IconShieldCheck, IconUserMinus, IconUserPlus, IconUsersGroup } from "@tabler/icons-react";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { callApi, type Item, useApiList, useChange } from "../../api/api.ts";
import { organisationAddress } from "../../frame/address.ts";
import { useCan, useIdentity, useOrganisation } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { PersonCell } from "../../ui/PersonCell.tsx";
import { roleNames } from "../../ui/RoleSelect.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { MemberRoles } from "./MemberRoles.tsx";
import { PeopleHeader } from "./PeopleHeader.tsx";

export type Member = Item<"memberList">;

export default function MembersPage() {
  const t = useT();
  const format = useFormat();
  const organisation = useOrganisation();
  const { principal: me } = useIdentity();
  const admin = useCan("organisation")("admin");
  const navigate = useNavigate();
  const { member: shown } = useSearch({ strict: false }) as { member?: string };
  const members = useApiList("memberList", { organisation: organisation.id });
  const remove = useChange("memberDelete", { refresh: ["memberList", "identityGet"] });
  const [leaving, setLeaving] = useState<Member[]>([]);

  const show = (id: string | undefined) =>
    void navigate({ to: ".", search: ((now: object) => ({ ...now, member: id })) as never, replace: true, resetScroll: false });
  const roles = (member: Member, project: boolean) =>
    member.bindings.filter(({ projectId }) => (projectId !== undefined) === project);
  const projectName = (id: string | undefined) => organisation.projects.find((project) => project.id === id)?.name ?? "";
  const open = members.rows?.find(({ principal }) => principal.id === shown);
  const needsAdmin = admin ? undefined : t("ui.needsRole", { role: t("ui.role.admin") });

  return (
    <>
      <PeopleHeader
        actions={
          admin && (
            <Button
              component={Link}
              to={organisationAddress(organisation.slug, "people/invitations")}
              search={{ create: "1" } as never}
              leftSection={<IconUserPlus size={16} stroke={1.8} />}
            >
              {t("people.invite")}
            </Button>
          )
        }
      />
      <DataList
        id="members"
        label={t("people.members")}
        list={members}
        rowKey={({ principal }) => principal.id}
        rowName={({ principal }) => principal.name}
        search={({ principal }) => `${principal.name} ${principal.email ?? ""}`}
        onOpen={({ principal }) => show(principal.id)}
        filters={[
          {
            key: "role",
            label: t("people.role"),
            options: roleNames.map((role) => ({ value: role, label: t(`ui.role.${role}`) })),
            fits: (member, role) => member.bindings.some((binding) => binding.role === role),
          },
        ]}
        columns={[
          {
            key: "name",
            header: t("people.person"),
            primary: true,
            width: "minmax(200px, 2fr)",
            sort: ({ principal }) => principal.name,
            cell: ({ principal }) => (
              <PersonCell
                name={principal.name}
                shown={principal.id === me.id ? t("people.you", { name: principal.name }) : principal.name}
                detail={principal.kind === "service_account" ? t("people.serviceAccount") : principal.email}
                machine={principal.kind === "service_account"}
              />
            ),
          },
          {
            key: "role",
            header: t("people.role"),
            sort: (member) => roles(member, false)[0]?.role,
            cell: (member) =>
              roles(member, false)
                .map(({ role }) => t(`ui.role.${role}`))
                .join(", ") || "—",
          },
          {
            key: "projects",
            header: t("people.inProjects"),
            width: "minmax(160px, 1.5fr)",
            cell: (member) =>
              format.list(
                roles(member, true).map(({ projectId, role }) => `${projectName(projectId)} (${t(`ui.role.${role}`)})`),
              ) || "—",
          },
          {
            key: "secondFactor",
            header: t("people.secondFactor"),
            cell: ({ secondFactor, principal }) =>
              principal.kind === "service_account" ? (
                "—"
              ) : (
                <StatusBadge tone={secondFactor ? "good" : "warn"}>{secondFactor ? t("people.on") : t("people.off")}</StatusBadge>
              ),
          },
          {
            key: "lastSignIn",
            header: t("people.lastSignIn"),
            sort: ({ lastSignInAt }) => lastSignInAt,
            cell: ({ lastSignInAt }) => <TimeAgo at={lastSignInAt} never={t("ui.never")} />,
          },
          {
            key: "state",
            header: t("ui.status"),
            optional: true,
            cell: ({ state }) => (
              <StatusBadge tone={state === "active" ? "good" : "bad"}>
                {state === "active" ? t("ui.active") : t("ui.suspended")}
              </StatusBadge>
            ),
          },
        ]}
        rowActions={(member) => [
          {
            label: t("people.changeRoles"),
            icon: IconShieldCheck,
            onClick: () => show(member.principal.id),
            disabledReason: needsAdmin,
          },
          {
            label: member.principal.id === me.id ? t("people.leave") : t("people.remove"),
            icon: IconUserMinus,
            danger: true,
            onClick: () => setLeaving([member]),
            disabledReason: needsAdmin,
          },
        ]}
        {...(admin ? { bulkActions: [{ label: t("people.remove"), icon: IconUserMinus, danger: true, run: setLeaving }] } : {})}
        empty={<EmptyState picture="people" title={t("people.title")} />}
      />
      {open && <MemberRoles member={open} onClose={() => show(undefined)} canChange={admin} />}
      <ConfirmDestroy
        opened={leaving.length > 0}
        onClose={() => setLeaving([])}
        title={
          leaving.length === 1
            ? t("people.removeTitle", { name: leaving[0]?.principal.name ?? "" })
            : t("people.removeMany", { count: leaving.length })
        }
        destroyed={[t("people.removeGoes", { organisation: organisation.name }), t("people.removeKeys")]}
        kept={[t("people.removeStays"), t("people.removeAudit")]}
        action={t("people.remove")}
        onConfirm={async () => {
          for (const { principal } of leaving.slice(1)) {
            await callApi("memberDelete", { organisation: organisation.id, principal: principal.id as never });
          }
          const [first] = leaving;
          if (first) await remove.mutateAsync({ organisation: organisation.id, principal: first.principal.id as never });
        }}
      >
        {leaving.length > 1 && (
          <span style={{ display: "flex", alignItems: "center", gap: 8 }}>
            <IconUsersGroup size={16} stroke={1.6} aria-hidden />
            {format.list(leaving.map(({ principal }) => principal.name))}
          </span>
        )}
      </ConfirmDestroy>
    </>
  );
}
