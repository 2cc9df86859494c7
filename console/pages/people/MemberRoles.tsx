import { ActionIcon, Button, Group, Modal, Select, Stack, Text, Tooltip } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { Role } from "../../../kernel/contract.ts";
import { callApi, invalidate } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { useOrganisation } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { PersonCell } from "../../ui/PersonCell.tsx";
import { RoleSelect } from "../../ui/RoleSelect.tsx";
import { toastUndo } from "../../ui/toast.ts";
import type { Member } from "./MembersPage.tsx";

type Binding = Member["bindings"][number];
const refresh = () => invalidate(queries, ["memberList", "identityGet", "roleBindingList"]);

/** All roles of one member, in the organisation and its projects; each change holds at once and can be undone. */
export function MemberRoles({ member, onClose, canChange }: { member: Member; onClose: () => void; canChange: boolean }) {
  const t = useT();
  const organisation = useOrganisation();
  const [problem, setProblem] = useState<string>();
  const [working, setWorking] = useState(false);
  const [scope, setScope] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const { principal } = member;

  const attempt = async (work: () => Promise<void>) => {
    setWorking(true);
    setProblem(undefined);
    try {
      await work();
    } catch (error) {
      setProblem(errorText(error));
    } finally {
      await refresh();
      setWorking(false);
    }
  };
  const create = (one: { role: Role; projectId?: string | undefined }) =>
    callApi("roleBindingCreate", {
      principal: principal.id as never,
      role: one.role,
      organisation: organisation.id,
      ...(one.projectId ? { project: one.projectId as never } : {}),
    });
  // The new role first, so that nobody is without any in between.
  const change = (binding: Binding, to: Role) =>
    attempt(async () => {
      const made = await create({ role: to, projectId: binding.projectId });
      await callApi("roleBindingDelete", { roleBinding: binding.id });
      toastUndo(t("people.roleChanged", { name: principal.name, role: t(`ui.role.${to}`) }), async () => {
        await create(binding);
        await callApi("roleBindingDelete", { roleBinding: made.id });
        await refresh();
      });
    });
  const take = (binding: Binding) =>
    attempt(async () => {
      await callApi("roleBindingDelete", { roleBinding: binding.id });
      toastUndo(t("people.roleTaken", { name: principal.name, role: t(`ui.role.${binding.role}`) }), async () => {
        await create(binding);
        await refresh();
      });
    });

  const where = (binding: Binding) =>
    binding.projectId
      ? (organisation.projects.find(({ id }) => id === binding.projectId)?.name ?? binding.projectId)
      : t("people.wholeOrganisation");
  const free = [
    { value: "", label: t("people.wholeOrganisation") },
    ...organisation.projects.map(({ id, name }) => ({ value: id as string, label: name })),
  ].filter(({ value }) => !member.bindings.some(({ projectId }) => (projectId ?? "") === value));
  const target = free.some(({ value }) => value === scope) ? scope : (free[0]?.value ?? "");

  return (
    <Modal opened onClose={onClose} title={t("people.rolesTitle")} size="lg" closeButtonProps={{ "aria-label": t("ui.close") }}>
      <Stack gap="md">
        <PersonCell name={principal.name} detail={principal.email} machine={principal.kind === "service_account"} />
        <FormProblem>{problem}</FormProblem>
        <Stack gap="sm">
          {member.bindings.map((binding) => (
            <Group key={binding.id} gap="sm" wrap="nowrap">
              <Text style={{ flex: 1, minWidth: 0 }} truncate fw={binding.projectId ? undefined : 550}>
                {where(binding)}
              </Text>
              <RoleSelect
                aria-label={t("people.roleIn", { place: where(binding) })}
                value={binding.role}
                disabled={!canChange || working}
                onChange={(to) => to !== binding.role && void change(binding, to)}
              />
              <Tooltip label={t("people.takeRole")}>
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  size={32}
                  aria-label={t("people.takeRole")}
                  disabled={!canChange || working}
                  onClick={() => void take(binding)}
                >
                  <IconTrash size={16} stroke={1.6} />
                </ActionIcon>
              </Tooltip>
            </Group>
          ))}
          {member.bindings.length === 0 && <Text c="dimmed">{t("people.noRoles")}</Text>}
        </Stack>
        {canChange && free.length > 0 && (
          <>
            <Group gap="sm" align="flex-end">
              <Select
                label={t("people.where")}
                data={free}
                value={target}
                onChange={(value) => setScope(value ?? "")}
                style={{ flex: "1 1 160px" }}
              />
              <RoleSelect aria-label={t("people.role")} value={role} onChange={setRole} />
              <Button
                variant="default"
                leftSection={<IconPlus size={16} />}
                loading={working}
                onClick={() => void attempt(async () => void (await create({ role, projectId: target || undefined })))}
              >
                {t("people.giveRole")}
              </Button>
            </Group>
            <ApiHint
              route="roleBindingCreate"
              args={{ principal: principal.id, role, organisation: organisation.id, project: target || undefined }}
            />
          </>
        )}
      </Stack>
    </Modal>
  );
}
