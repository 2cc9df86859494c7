import { useDisclosure } from "@mantine/hooks";
import { IconLayoutDashboard, IconMenu2 } from "@tabler/icons-react";
import { Link, useLocation } from "@tanstack/react-router";
import { lazy, Suspense, useEffect } from "react";
import { useT } from "../i18n/i18n.ts";
import css from "./Frame.module.css";
import { useCan } from "./identity.ts";
import { useNavigationLinks, useOverviewAddress } from "./navigation.ts";
import { sections } from "./registry.ts";

const MoreDrawer = lazy(() => import("./MoreDrawer.tsx"));

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
  // What each part of the cloud begins with, as far as there is room.
  const leading = sections.flatMap((section) => links.find((link) => link.section === section) ?? []);
  const first = [...new Set([...leading, ...links])].slice(0, 3);
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
      {opened && (
        <Suspense>
          <MoreDrawer onClose={close} links={links.filter((link) => !first.includes(link))} cloudAdmin={cloudAdmin} />
        </Suspense>
      )}
    </nav>
  );
}
