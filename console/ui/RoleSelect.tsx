import { Select, Text } from "@mantine/core";
import type { Role } from "../../kernel/contract.ts";
import { useT } from "../i18n/i18n.ts";

export const roleNames = ["viewer", "editor", "admin", "owner", "billing"] as const satisfies readonly Role[];

/** Roles with what they may do, as few people know the words by heart. */
export function RoleSelect(props: {
  label?: string;
  "aria-label"?: string;
  value: Role;
  onChange: (role: Role) => void;
  roles?: readonly Role[];
  error?: string | undefined;
  disabled?: boolean;
}) {
  const t = useT();
  const { roles = roleNames, onChange, ...rest } = props;
  return (
    <Select
      {...rest}
      data={roles.map((role) => ({ value: role, label: t(`ui.role.${role}`) }))}
      onChange={(role) => role && onChange(role as Role)}
      maxDropdownHeight={360}
      comboboxProps={{ width: 320, position: "bottom-start" }}
      description={props.label ? t(`ui.roleText.${props.value}`) : undefined}
      inputWrapperOrder={["label", "input", "error", "description"]}
      renderOption={({ option }) => (
        <div>
          <Text size="sm" fw={550}>
            {option.label}
          </Text>
          <Text size="xs" c="dimmed">
            {t(`ui.roleText.${option.value as Role}`)}
          </Text>
        </div>
      )}
    />
  );
}
