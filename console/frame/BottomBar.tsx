import { Drawer, Stack } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconLayoutDashboard, IconMenu2 } from "@tabler/icons-react";
import { Link, useLocation } from "@tanstack/react-router";
import { useEffect } from "react";
import { useT } from "../i18n/i18n.ts";
import css from "./Frame.module.css";
import { useCan } from "./identity.ts";
import { useNavigationLinks, useOverviewAddress } from "./navigation.ts";

/** On a phone: the first places at the thumb, everything else one touch further. */
export function BottomBar() {
  const t = useT();
  const links = useNavigationLinks();
  const overview = useOverviewAddress();
  const cloudAdmin = useCan("cloud")("admin");
  const [opened, { open, close }] = useDisclosure(false);
  const { pathname } = useLocation();
  // biome-ignore lint/correctness/useExhaustiveDependencies: going somewhere closes it
  useEffect(close, [pathname]);
  const first = links.slice(0, 3);
  return (
    <nav className={css.bottom} aria-label={t("frame.navigationPhone")}>
      <Link to={overview.to} className={css.tab} data-active={overview.active || undefined}>
        <IconLayoutDashboard size={22} stroke={1.6} aria-hidden />
        <span>{t("frame.overview")}</span>
      </Link>
      {first.map(({ to, icon: Icon, label, active }) => (
        <Link key={to} to={to} className={css.tab} data-active={active || undefined}>
          <Icon size={22} stroke={1.6} aria-hidden />
          <span>{t(label as "frame.overview")}</span>
        </Link>
      ))}
      <button
        type="button"
        className={css.tab}
        style={{ border: 0, background: "none", font: "inherit", fontSize: 11 }}
        onClick={open}
      >
        <IconMenu2 size={22} stroke={1.6} aria-hidden />
        <span>{t("frame.more")}</span>
      </button>
      <Drawer
        opened={opened}
        onClose={close}
        position="bottom"
        size="auto"
        title={t("frame.more")}
        closeButtonProps={{ "aria-label": t("ui.close") }}
      >
        <Stack gap={4} pb="md">
          {links.slice(3).map(({ to, icon: Icon, label, active }) => (
            <Link key={to} to={to} className={css.link} style={{ height: 44 }} data-active={active || undefined}>
              <Icon size={20} stroke={1.6} aria-hidden />
              {t(label as "frame.overview")}
            </Link>
          ))}
          {cloudAdmin && (
            <Link to="/cloud" className={css.link} style={{ height: 44 }}>
              {t("frame.cloud")}
            </Link>
          )}
        </Stack>
      </Drawer>
    </nav>
  );
}
