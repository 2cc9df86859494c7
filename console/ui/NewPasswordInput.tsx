import { PasswordInput, Progress, Text } from "@mantine/core";
import type { ComponentProps } from "react";
import { useT } from "../i18n/i18n.ts";
import { passwordStrength, strengths } from "./strength.ts";

const colors = { weak: "red", fair: "yellow", good: "green", strong: "green" } as const;

/** A password to be chosen: how good it is, in words too, while one types. */
export function NewPasswordInput(props: ComponentProps<typeof PasswordInput> & { value: string }) {
  const t = useT();
  const strength = passwordStrength(props.value);
  return (
    <div>
      <PasswordInput
        autoComplete="new-password"
        visibilityToggleButtonProps={{ "aria-label": t("ui.show") }}
        {...props}
        description={props.value === "" ? t("ui.passwordHint") : undefined}
        inputWrapperOrder={["label", "input", "error", "description"]}
      />
      {props.value !== "" && (
        <div style={{ display: "flex", alignItems: "center", gap: 8, marginTop: 6 }} aria-live="polite">
          <Progress
            style={{ flex: 1 }}
            size={4}
            color={colors[strength]}
            value={((strengths.indexOf(strength) + 1) / strengths.length) * 100}
            aria-label={t(`ui.strength.${strength}`)}
          />
          <Text size="xs" c="dimmed">
            {t(`ui.strength.${strength}`)}
          </Text>
        </div>
      )}
    </div>
  );
}
