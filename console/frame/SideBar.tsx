import { IconLayoutDashboard, IconServerCog } from "@tabler/icons-react";
import { Link, useLocation } from "@tanstack/react-router";
import { useT } from "../i18n/i18n.ts";
import { Mark } from "../ui/Mark.tsx";
import css from "./Frame.module.css";
import { useCan, useCloud } from "./identity.ts";
import { type NavigationLink, useNavigationLinks, useOverviewAddress } from "./navigation.ts";
import { type Section, sections } from "./registry.ts";

const services = sections.filter((section): section is Exclude<Section, "organisation"> => section !== "organisation");

export function SideBar() {
  const t = useT();
  const links = useNavigationLinks();
  const overview = useOverviewAddress();
  const cloudAdmin = useCan("cloud")("admin");
  const cloud = useCloud();
  const { pathname } = useLocation();
  const of = (section: Section) => links.filter((link) => link.section === section);
  return (
    <aside className={css.side}>
      <Link to="/" className={css.brand}>
        <Mark size={24} />
        {cloud?.name ?? "Khmara"}
      </Link>
      <nav className={css.nav} aria-label={t("frame.navigation")}>
        <SideLink link={{ section: "overview", label: "frame.overview", icon: IconLayoutDashboard, ...overview }} />
        {services.map((section) => {
          const items = of(section);
          return items.length === 0 ? null : (
            <Group key={section} title={t(`frame.section.${section}`)}>
              {items.map((link) => (
                <SideLink key={link.to} link={link} />
              ))}
            </Group>
          );
        })}
        <Group title={t("frame.section.organisation")}>
          {of("organisation").map((link) => (
            <SideLink key={link.to} link={link} />
          ))}
        </Group>
        <div className={css.grow} />
        {cloudAdmin && (
          <SideLink
            link={{
              section: "overview",
              label: "frame.cloud",
              icon: IconServerCog,
              to: "/cloud",
              active: pathname.startsWith("/cloud"),
            }}
          />
        )}
      </nav>
    </aside>
  );
}

function Group({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <>
      <div className={css.group}>{title}</div>
      {children}
    </>
  );
}

function SideLink({ link }: { link: NavigationLink }) {
  const t = useT();
  const { icon: Icon } = link;
  return (
    <Link
      to={link.to}
      className={css.link}
      data-active={link.active || undefined}
      aria-current={link.active ? "page" : undefined}
    >
      <Icon size={18} stroke={1.6} aria-hidden />
      {t(link.label as "frame.overview")}
    </Link>
  );
}
