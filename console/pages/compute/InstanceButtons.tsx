import { ActionIcon, Button, Menu, Tooltip } from "@mantine/core";
import {
  IconDots,
  IconPlayerPlay,
  IconPlayerStop,
  IconPower,
  IconRefresh,
  IconSnowflake,
  IconTerminal2,
  IconTrash,
} from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Instance, InstanceAction } from "../../../services/compute/instances/contract.ts";
import { callApi, invalidate, type RouteKey } from "../../api/api.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { toastError } from "../../ui/toast.ts";
import { whyNot } from "./words.ts";

/** The two actions that one wants most now, and all others behind the dots; what cannot be done says why. */
export function InstanceButtons(props: { instance: Instance; here: string; may: boolean; onDelete: () => void }) {
  const t = useT();
  const { instance, may } = props;
  const run = (key: RouteKey, args: object = {}) =>
    void callApi(key, { instance: instance.id, ...args } as never)
      .then(() => invalidate(queries, ["instanceGet", "instanceList"]))
      .catch(toastError);
  const off = instance.state === "stopped" || instance.state === "error";
  const item = (action: InstanceAction, icon: ReactNode, onClick: () => void) => {
    const reason = whyNot(instance, action, may);
    return (
      <Tooltip key={action} label={reason} disabled={reason === undefined} position="left">
        <Menu.Item leftSection={icon} disabled={reason !== undefined} onClick={onClick} style={{ pointerEvents: "auto" }}>
          {t(`compute.action.${action}` as "compute.action.start")}
        </Menu.Item>
      </Tooltip>
    );
  };
  const terminal = whyNot(instance, "terminal", may);
  const start = whyNot(instance, "start", may);
  const stop = whyNot(instance, "stop", may);
  return (
    <>
      <Tooltip label={terminal} disabled={terminal === undefined}>
        <Button
          component={Link}
          to={`${props.here}/terminal`}
          variant="default"
          leftSection={<IconTerminal2 size={16} aria-hidden />}
          {...(terminal === undefined ? {} : { "data-disabled": true, "aria-disabled": true })}
          onClick={(event) => terminal !== undefined && event.preventDefault()}
        >
          {t("compute.action.terminal")}
        </Button>
      </Tooltip>
      {off ? (
        <Tooltip label={start} disabled={start === undefined}>
          <Button
            leftSection={<IconPlayerPlay size={16} aria-hidden />}
            {...(start === undefined ? {} : { "data-disabled": true, "aria-disabled": true })}
            onClick={() => start === undefined && run("instanceStart")}
          >
            {t("compute.action.start")}
          </Button>
        </Tooltip>
      ) : (
        <Tooltip label={stop} disabled={stop === undefined}>
          <Button
            variant="default"
            leftSection={<IconPlayerStop size={16} aria-hidden />}
            {...(stop === undefined ? {} : { "data-disabled": true, "aria-disabled": true })}
            onClick={() => stop === undefined && run("instanceStop")}
          >
            {t("compute.action.stop")}
          </Button>
        </Tooltip>
      )}
      <Menu position="bottom-end" width={260}>
        <Menu.Target>
          <ActionIcon variant="default" size={36} aria-label={t("ui.actionsFor", { name: instance.name })}>
            <IconDots size={18} aria-hidden />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {item("restart", <IconRefresh size={16} aria-hidden />, () => run("instanceRestart"))}
          {instance.state === "frozen"
            ? item("unfreeze", <IconPlayerPlay size={16} aria-hidden />, () => run("instanceUnfreeze"))
            : item("freeze", <IconSnowflake size={16} aria-hidden />, () => run("instanceFreeze"))}
          <Tooltip label={stop} disabled={stop === undefined} position="left">
            <Menu.Item
              leftSection={<IconPower size={16} aria-hidden />}
              disabled={stop !== undefined}
              onClick={() => run("instanceStop", { timeoutSeconds: 0 })}
              style={{ pointerEvents: "auto" }}
            >
              {t("compute.action.powerOff")}
            </Menu.Item>
          </Tooltip>
          <Menu.Divider />
          <Tooltip label={t("compute.why.protected")} disabled={!instance.protected} position="left">
            <Menu.Item
              c="var(--k-bad)"
              leftSection={<IconTrash size={16} aria-hidden />}
              disabled={!may || instance.protected}
              onClick={props.onDelete}
              style={{ pointerEvents: "auto" }}
            >
              {t("compute.action.delete")}
            </Menu.Item>
          </Tooltip>
        </Menu.Dropdown>
      </Menu>
    </>
  );
}
