import { UnstyledButton } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useT } from "../i18n/i18n.ts";
import { ColorSchemeButton } from "./ColorSchemeButton.tsx";
import css from "./Frame.module.css";
import { LanguageMenu } from "./LanguageMenu.tsx";
import { OperationsMenu } from "./OperationsMenu.tsx";
import { openPalette } from "./PaletteDoor.tsx";
import { PersonMenu } from "./PersonMenu.tsx";
import { PlaceSwitcher } from "./PlaceSwitcher.tsx";
import { TopBarTools } from "./TopBarTools.tsx";

const command = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘ K" : "Ctrl K";

export function TopBar() {
  const t = useT();
  return (
    <section className={css.top} aria-label={t("frame.topBar")}>
      <PlaceSwitcher />
      <div className={css.spacer} />
      <UnstyledButton className={css.search} onClick={openPalette} aria-keyshortcuts="Control+K">
        <IconSearch size={16} stroke={1.8} aria-hidden />
        <span>{t("frame.search")}</span>
        <kbd aria-hidden>{command}</kbd>
      </UnstyledButton>
      <TopBarTools />
      <OperationsMenu />
      <LanguageMenu />
      <ColorSchemeButton />
      <PersonMenu />
    </section>
  );
}
