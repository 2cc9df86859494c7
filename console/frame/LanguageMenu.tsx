import { ActionIcon } from "@mantine/core";
import { IconLanguage } from "@tabler/icons-react";
import { useT } from "../i18n/i18n.ts";
import { Door } from "../ui/Door.tsx";
import { Hint } from "../ui/Hint.tsx";
import css from "./Frame.module.css";

export function LanguageMenu({ phone = false }: { phone?: boolean }) {
  const t = useT();
  return (
    <Door
      load={() => import("./LanguageItems.tsx")}
      given={{}}
      button={
        <Hint label={t("frame.language")}>
          <ActionIcon
            variant="subtle"
            color="gray"
            size={32}
            className={phone ? undefined : css.wide}
            aria-label={t("frame.language")}
          >
            <IconLanguage size={18} stroke={1.6} />
          </ActionIcon>
        </Hint>
      }
    />
  );
}
