import { Drawer, Stack, Text } from "@mantine/core";
import { IconServerCog } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { Fragment } from "react";
import { useT } from "../i18n/i18n.ts";
import css from "./Frame.module.css";
import type { NavigationLink } from "./navigation.ts";
import { sections } from "./registry.ts";

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
        {sections.map((section) => {
          const links = props.links.filter((link) => link.section === section);
          if (links.length === 0) return null;
          return (
            <Fragment key={section}>
              <Text size="xs" fw={600} c="dimmed" px={12} pt={8}>
                {t(`frame.section.${section}`)}
              </Text>
              {links.map(({ to, icon: Icon, label, active }) => (
                <Link key={to} to={to} className={css.link} style={{ height: 44 }} data-active={active || undefined}>
                  <Icon size={20} stroke={1.6} aria-hidden />
                  {t(label as "frame.overview")}
                </Link>
              ))}
            </Fragment>
          );
        })}
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
