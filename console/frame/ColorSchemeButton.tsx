import { ActionIcon, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { IconMoon, IconSun } from "@tabler/icons-react";
import { useT } from "../i18n/i18n.ts";
import { Hint } from "../ui/Hint.tsx";
import css from "./Frame.module.css";

export function ColorSchemeButton({ phone = false }: { phone?: boolean }) {
  const t = useT();
  const { setColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme("light") === "dark";
  const label = dark ? t("frame.light") : t("frame.dark");
  return (
    <Hint label={label}>
      <ActionIcon
        variant="subtle"
        color="gray"
        size={32}
        className={phone ? undefined : css.wide}
        aria-label={label}
        onClick={() => setColorScheme(dark ? "light" : "dark")}
      >
        {dark ? <IconSun size={18} stroke={1.6} /> : <IconMoon size={18} stroke={1.6} />}
      </ActionIcon>
    </Hint>
  );
}
