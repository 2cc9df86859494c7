import { Menu } from "@mantine/core";
import { IconCheck } from "@tabler/icons-react";
import { languageNames, languages, setLanguage, useLanguage } from "../i18n/i18n.ts";
import type { BehindDoor } from "../ui/Door.tsx";

const LanguageItems: BehindDoor = ({ button }) => {
  const current = useLanguage();
  return (
    <Menu position="bottom-end" width={180} withinPortal={false}>
      <Menu.Target>{button}</Menu.Target>
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
};
export default LanguageItems;
