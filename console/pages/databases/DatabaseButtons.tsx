import { ActionIcon, Button, Menu, Tooltip } from "@mantine/core";
import {
  IconCopyPlus,
  IconDots,
  IconPlayerPlay,
  IconPlayerStop,
  IconRefresh,
  IconTerminal2,
  IconTrash,
} from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import type { DatabaseAction, DatabaseView } from "../../../services/databases/contract.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyDialog } from "./CopyDialog.tsx";
import { runAction, whyNot } from "./words.ts";

/** The SQL editor, and all else behind the dots; what cannot be done says why. */
export function DatabaseButtons(props: { database: DatabaseView; here: string; may: boolean; onDelete: () => void }) {
  const t = useT();
  const { database, may } = props;
  const [cloning, setCloning] = useState(false);
  const item = (label: string, action: DatabaseAction, icon: ReactNode, onClick: () => void) => {
    const reason = whyNot(database, action, may);
    return (
      <Tooltip label={reason} disabled={reason === undefined} position="left" multiline maw={280}>
        <Menu.Item
          leftSection={icon}
          disabled={reason !== undefined}
          onClick={onClick}
          style={{ pointerEvents: "auto" }}
          {...(action === "delete" && reason === undefined ? { color: "red" } : {})}
        >
          {label}
        </Menu.Item>
      </Tooltip>
    );
  };
  const sql = whyNot(database, "query", may);
  return (
    <>
      {database.state === "stopped" ? (
        <Button
          leftSection={<IconPlayerPlay size={16} aria-hidden />}
          disabled={whyNot(database, "start", may) !== undefined}
          onClick={() => runAction("databaseStart", database.id)}
        >
          {t("databases.action.start")}
        </Button>
      ) : (
        <Tooltip label={sql} disabled={sql === undefined}>
          <Button
            component={Link}
            to={`${props.here}/sql`}
            variant="default"
            leftSection={<IconTerminal2 size={16} aria-hidden />}
            {...(sql === undefined ? {} : { "data-disabled": true, "aria-disabled": true })}
          >
            {t("databases.tab.sql")}
          </Button>
        </Tooltip>
      )}
      <Menu position="bottom-end" width={240}>
        <Menu.Target>
          <ActionIcon variant="default" size={36} aria-label={t("ui.actionsFor", { name: database.name })}>
            <IconDots size={18} aria-hidden />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {item(t("databases.action.restart"), "restart", <IconRefresh size={16} aria-hidden />, () =>
            runAction("databaseRestart", database.id),
          )}
          {database.state !== "stopped" &&
            item(t("databases.action.stop"), "stop", <IconPlayerStop size={16} aria-hidden />, () =>
              runAction("databaseStop", database.id),
            )}
          {item(t("databases.clone"), "clone", <IconCopyPlus size={16} aria-hidden />, () => setCloning(true))}
          {item(t("databases.delete.action"), "delete", <IconTrash size={16} aria-hidden />, props.onDelete)}
        </Menu.Dropdown>
      </Menu>
      {cloning && <CopyDialog kind="clone" database={database} onClose={() => setCloning(false)} />}
    </>
  );
}
