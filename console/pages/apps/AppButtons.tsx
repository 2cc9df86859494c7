import { ActionIcon, Button, Menu, Tooltip } from "@mantine/core";
import { IconDots, IconExternalLink, IconPlayerPlay, IconPlayerStop, IconRefresh, IconRocket } from "@tabler/icons-react";
import type { ReactNode } from "react";
import type { App } from "../../../services/apps/deploying/contract.ts";
import { useT } from "../../i18n/i18n.ts";
import { runAction } from "./actions.ts";
import { whyNot } from "./words.ts";

/** Open it, deploy to it, and all else behind the dots; what cannot be done says why. */
export function AppButtons({ app, may, onDeploy }: { app: App; may: boolean; onDeploy: () => void }) {
  const t = useT();
  const deploy = whyNot(app, "deploy", may);
  const item = (action: "start" | "stop" | "restart", icon: ReactNode, onClick: () => void) => {
    const reason = whyNot(app, action, may);
    return (
      <Tooltip label={reason} disabled={reason === undefined} position="left">
        <Menu.Item leftSection={icon} disabled={reason !== undefined} onClick={onClick} style={{ pointerEvents: "auto" }}>
          {t(`apps.action.${action}`)}
        </Menu.Item>
      </Tooltip>
    );
  };
  return (
    <>
      {app.releaseNumber !== undefined && (
        <Button
          component="a"
          href={app.url}
          target="_blank"
          rel="noreferrer"
          variant="default"
          leftSection={<IconExternalLink size={16} aria-hidden />}
        >
          {t("apps.open")}
        </Button>
      )}
      <Tooltip label={deploy} disabled={deploy === undefined}>
        <Button
          leftSection={<IconRocket size={16} aria-hidden />}
          {...(deploy === undefined ? {} : { "data-disabled": true, "aria-disabled": true })}
          onClick={() => deploy === undefined && onDeploy()}
        >
          {t("deploy.action")}
        </Button>
      </Tooltip>
      <Menu position="bottom-end" width={240}>
        <Menu.Target>
          <ActionIcon variant="default" size={36} aria-label={t("ui.actionsFor", { name: app.name })}>
            <IconDots size={18} aria-hidden />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {item("restart", <IconRefresh size={16} aria-hidden />, () => runAction("appRestart", app.id))}
          {app.state === "stopped"
            ? item("start", <IconPlayerPlay size={16} aria-hidden />, () => runAction("appStart", app.id))
            : item("stop", <IconPlayerStop size={16} aria-hidden />, () => runAction("appStop", app.id))}
        </Menu.Dropdown>
      </Menu>
    </>
  );
}
