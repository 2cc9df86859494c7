import { Select, Stack, TextInput } from "@mantine/core";
import type { Destination } from "../../../../services/voice/destinations/contract.ts";
import { useT } from "../../../i18n/i18n.ts";
import { fromKey, keyOf, useDestinations } from "./destinations.ts";

/** Where a call goes; `none` names what happens where nothing is chosen, and allows it. */
export function DestinationSelect(props: {
  phoneSystem: string;
  label: string;
  description?: string;
  value: Destination | null;
  onChange: (destination: Destination | null) => void;
  none?: string;
  error?: string | undefined;
  disabled?: boolean;
}) {
  const t = useT();
  const { options } = useDestinations(props.phoneSystem);
  const { value } = props;
  const number = value?.kind === "number" ? value.number : "";
  return (
    <Stack gap="sm">
      <Select
        label={props.label}
        description={props.description}
        placeholder={t("phone.chooseDestination")}
        searchable
        limit={60}
        nothingFoundMessage={t("ui.nothingFits")}
        disabled={props.disabled ?? false}
        error={value?.kind === "number" ? undefined : props.error}
        value={value === null && props.none === undefined ? null : keyOf(value)}
        onChange={(key) => key !== null && props.onChange(fromKey(key, number))}
        data={[
          ...(props.none === undefined ? [] : [{ value: "", label: props.none }]),
          ...options,
          {
            group: t("phone.destination.other"),
            items: [
              { value: "number", label: t("phone.destination.number") },
              { value: "directory", label: t("phone.destination.directory") },
              { value: "hang_up", label: t("phone.destination.hang_up") },
            ],
          },
        ]}
      />
      {value?.kind === "number" && (
        <TextInput
          label={t("phone.numberOutside")}
          placeholder="+380441234567"
          inputMode="tel"
          disabled={props.disabled ?? false}
          error={props.error}
          value={number}
          onChange={(event) => props.onChange({ kind: "number", number: event.currentTarget.value.replace(/[^\d+]/g, "") })}
        />
      )}
    </Stack>
  );
}
