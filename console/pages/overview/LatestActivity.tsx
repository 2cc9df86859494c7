import { Skeleton } from "@mantine/core";
import { lazy, Suspense } from "react";
import { loadAreas, useT } from "../../i18n/i18n.ts";
import { Section } from "../../ui/Section.tsx";
import css from "./Overview.module.css";

/** What happened last, in the sentences of the audit: they are many, and no overview waits for them. */
const Activity = lazy(async () => {
  const [module] = await Promise.all([import("./Activity.tsx"), loadAreas(["audit"])]);
  return module;
});

export function LatestActivity(props: { project?: string }) {
  return (
    <Suspense fallback={<Coming />}>
      <Activity {...props} />
    </Suspense>
  );
}

function Coming() {
  const t = useT();
  return (
    <Section title={t("overview.activity")} flush>
      <ActivitySkeleton />
    </Section>
  );
}

export const ActivitySkeleton = () =>
  [1, 2, 3, 4].map((row) => (
    <div key={row} className={css.entry}>
      <Skeleton height={13} width="80%" my={3} />
      <Skeleton height={11} width="30%" my={4} />
    </div>
  ));
