import { IconFolderUp, IconPackage, IconTerminal2 } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useT } from "../../i18n/i18n.ts";
import { CopyField } from "../../ui/CopyField.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import css from "./apps.module.css";

/** Three ways in, for three kinds of people. */
export function AppsEmpty({ create, may }: { create: ReactNode; may: boolean }) {
  const t = useT();
  return (
    <>
      <EmptyState picture="app" title={t("apps.empty")} text={t("apps.emptyText")} action={create} />
      {may && (
        <ul className={css.ways}>
          <li className={css.way}>
            <IconFolderUp size={22} stroke={1.6} aria-hidden />
            <h3>{t("apps.way.folder")}</h3>
            <p>{t("apps.way.folderText")}</p>
          </li>
          <li className={css.way}>
            <IconPackage size={22} stroke={1.6} aria-hidden />
            <h3>{t("apps.way.image")}</h3>
            <p>{t("apps.way.imageText")}</p>
          </li>
          <li className={css.way}>
            <IconTerminal2 size={22} stroke={1.6} aria-hidden />
            <h3>{t("apps.way.command")}</h3>
            <p>{t("apps.way.commandText")}</p>
            <CopyField value="khmara app deploy my-app" />
          </li>
        </ul>
      )}
    </>
  );
}
