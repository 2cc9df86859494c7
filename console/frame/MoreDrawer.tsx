import { Drawer, Stack } from "@mantine/core";
import { IconServerCog } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useT } from "../i18n/i18n.ts";
import css from "./Frame.module.css";
import type { NavigationLink } from "./navigation.ts";

export default function MoreDrawer(props: { onClose: () => void; links: NavigationLink[]; cloudAdmin: boolean }) {
  const t = useT();
  return (
    <Drawer
      opened
      onClose={props.onClose}
      position="bottom"
      size="auto"
      title={t("frame.more")}
      closeButtonProps={{ "aria-label": t("ui.close") }}
    >
      <Stack gap={4} pb="md">
        {props.links.map(({ to, icon: Icon, label, active }) => (
          <Link key={to} to={to} className={css.link} style={{ height: 44 }} data-active={active || undefined}>
            <Icon size={20} stroke={1.6} aria-hidden />
            {t(label as "frame.overview")}
          </Link>
        ))}
        {props.cloudAdmin && (
          <Link to="/cloud" className={css.link} style={{ height: 44 }}>
            <IconServerCog size={20} stroke={1.6} aria-hidden />
            {t("frame.cloud")}
          </Link>
        )}
      </Stack>
    </Drawer>
  );
}
