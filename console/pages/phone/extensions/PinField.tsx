import { Button, Group, PasswordInput, Text } from "@mantine/core";
import { useT } from "../../../i18n/i18n.ts";
import { narrow } from "../shared/narrow.ts";

/** A new PIN as it is typed; empty: the one there is stays; null: it is taken away. */
export type PinChange = string | null;
export const pinFits = (pin: PinChange): boolean => pin === null || /^(\d{4,12})?$/.test(pin);
/** What is sent of it. */
export const pinBody = <N extends string>(name: N, pin: PinChange): { [K in N]?: string | null } =>
  (pin === "" ? {} : { [name]: pin }) as { [K in N]?: string | null };

/** A PIN that nobody can read again: it is replaced or taken away. */
export function PinField(props: {
  label: string;
  isSet: boolean;
  /** What it means that none is set. */
  none: string;
  value: PinChange;
  error: string | undefined;
  disabled: boolean;
  onChange: (value: PinChange) => void;
}) {
  const t = useT();
  const { value, disabled } = props;
  if (value === null)
    return (
      <div>
        <Text size="sm" fw={500}>
          {props.label}
        </Text>
        <Group gap="sm">
          <Text size="sm">{t("phone.pinGoes")}</Text>
          <Button size="compact-sm" variant="default" onClick={() => props.onChange("")}>
            {t("phone.pinStays")}
          </Button>
        </Group>
      </div>
    );
  return (
    <Group gap="sm" align="flex-end">
      <PasswordInput
        label={props.label}
        description={props.isSet ? t("phone.pinKept") : props.none}
        autoComplete="new-password"
        inputMode="numeric"
        flex="1 1 240px"
        classNames={narrow}
        disabled={disabled}
        value={value}
        error={props.error}
        onChange={(event) => props.onChange(event.currentTarget.value)}
      />
      {props.isSet && !disabled && (
        <Button
          variant="default"
          aria-label={t("phone.pinRemoveNamed", { name: props.label })}
          onClick={() => props.onChange(null)}
        >
          {t("phone.pinRemove")}
        </Button>
      )}
    </Group>
  );
}
