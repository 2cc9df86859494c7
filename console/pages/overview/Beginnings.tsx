import { IconApps, IconBucket, IconDatabase, IconLayoutGrid, IconPhone, IconServer } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { projectAddress } from "../../frame/address.ts";
import { useOrganisation, useProject } from "../../frame/identity.ts";
import { useNavigationLinks } from "../../frame/navigation.ts";
import { useT } from "../../i18n/i18n.ts";
import { Section } from "../../ui/Section.tsx";
import css from "./Overview.module.css";

/** What can be made, the path of its place in the navigation, and of the page that makes it. */
const beginnings = [
  { what: "server", icon: IconServer, place: "instances", path: "instances/new" },
  { what: "app", icon: IconApps, place: "apps", path: "apps/new" },
  { what: "catalogue", icon: IconLayoutGrid, place: "catalogue", path: "catalogue" },
  { what: "bucket", icon: IconBucket, place: "buckets", path: "buckets?new=1" },
  { what: "database", icon: IconDatabase, place: "databases", path: "databases/new" },
  { what: "phone", icon: IconPhone, place: "phone", path: "phone" },
] as const;

/** In a project that has nothing yet: all that it can have, of what this cloud and this person's roles let be. */
export function Beginnings() {
  const t = useT();
  const organisation = useOrganisation();
  const project = useProject();
  const there = new Set(useNavigationLinks().map(({ to }) => to));
  const to = (path: string) => projectAddress(organisation.slug, project.slug, path);
  return (
    <Section title={t("overview.begin")} text={t("overview.beginText")}>
      <ul className={css.beginnings}>
        {beginnings
          .filter(({ place }) => there.has(to(place)))
          .map(({ what, icon: Glyph, path }) => (
            <li key={what}>
              <Link
                to={to(path.replace(/\?.*/, ""))}
                search={(path.includes("?") ? { new: "1" } : {}) as never}
                className={css.beginning}
              >
                <Glyph size={22} stroke={1.5} aria-hidden />
                <span className={css.beginningTitle}>{t(`overview.begin.${what}`)}</span>
                <span className={css.beginningText}>{t(`overview.begin.${what}Text`)}</span>
              </Link>
            </li>
          ))}
      </ul>
    </Section>
  );
}
