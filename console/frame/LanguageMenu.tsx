import { ActionIcon, Menu, Tooltip } from "@mantine/core";
import { IconCheck, IconLanguage } from "@tabler/icons-react";
import { languageNames, languages, setLanguage, useLanguage, useT } from "../i18n/i18n.ts";
import css from "./Frame.module.css";

export function LanguageMenu({ phone = false }: { phone?: boolean }) {
  const t = useT();
  const current = useLanguage();
  return (
    <Menu position="bottom-end" width={180} withinPortal={false}>
      <Menu.Target>
        <Tooltip label={t("frame.language")}>
          <ActionIcon
            variant="subtle"
            color="gray"
            size={32}
            className={phone ? undefined : css.wide}
            aria-label={t("frame.language")}
          >
            <IconLanguage size={18} stroke={1.6} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        {languages.map((language) => (
          <Menu.Item
            key={language}
            lang={language}
            rightSection={language === current ? <IconCheck size={16} /> : null}
            onClick={() => void setLanguage(language)}
          >
            {languageNames[language]}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
