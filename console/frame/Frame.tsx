import { Outlet, useLocation, useMatches } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { useApi } from "../api/api.ts";
import { loadAreas, setLanguage, storedLanguage, useT } from "../i18n/i18n.ts";
import { PageSkeleton } from "../ui/PageSkeleton.tsx";
import { BottomBar } from "./BottomBar.tsx";
import { ConnectionBanner } from "./ConnectionBanner.tsx";
import { useCloudEvents } from "./events.ts";
import css from "./Frame.module.css";
import { IdentityContext, rememberPlace, usePlace } from "./identity.ts";
import { NotFoundPage } from "./NotFoundPage.tsx";
import { PaletteDoor } from "./PaletteDoor.tsx";
import { SideBar } from "./SideBar.tsx";
import { SignedOutWatch } from "./SignedOutWatch.tsx";
import { TopBar } from "./TopBar.tsx";

export function Frame() {
  const identity = useApi("identityGet", {}, { staleTime: 60_000 });
  const locale = identity.data?.user?.locale;
  useEffect(() => {
    // The profile's language counts unless this browser was told another one.
    if (locale && storedLanguage() === undefined) void setLanguage(locale);
  }, [locale]);
  if (identity.data === undefined) return <PageSkeleton />;
  return (
    <IdentityContext value={identity.data}>
      <SignedOutWatch />
      <Shell />
    </IdentityContext>
  );
}

function Shell() {
  const t = useT();
  const main = useRef<HTMLElement>(null);
  const { organisation, project, missing } = usePlace();
  const matches = useMatches();
  const { pathname } = useLocation();
  const page = matches.at(-1)?.staticData.page;
  const scoped = page?.scope === "organisation" || page?.scope === "project";
  const connection = useCloudEvents(organisation?.id);

  useEffect(() => {
    if (organisation && scoped && !missing) rememberPlace(organisation.slug, project?.slug);
  }, [organisation, project, scoped, missing]);

  useEffect(() => {
    if (page === undefined) return;
    let current = true;
    void loadAreas(page.areas).then(
      () => {
        if (!current) return;
        const place = page.scope === "project" ? project?.name : page.scope === "organisation" ? organisation?.name : undefined;
        document.title = [t(page.title as "frame.title"), place, "Khmara"].filter(Boolean).join(" · ");
        // The page itself says when its words did not come.
      },
      () => {},
    );
    return () => {
      current = false;
    };
  }, [page, organisation, project, t]);

  const first = useRef(true);
  // A new page begins at its top for people who do not see it change, too.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the path is what it reacts to
  useEffect(() => {
    if (first.current) first.current = false;
    else if (document.activeElement === document.body) main.current?.focus({ preventScroll: true });
  }, [pathname]);

  return (
    <div className={css.frame}>
      <a className={css.skip} href="#main">
        {t("frame.skip")}
      </a>
      <SideBar />
      <div className={css.body}>
        <TopBar />
        <ConnectionBanner state={connection} />
        <main id="main" ref={main} tabIndex={-1} className={css.main}>
          {missing ? <NotFoundPage /> : <Outlet />}
        </main>
      </div>
      <BottomBar />
      <PaletteDoor />
    </div>
  );
}
