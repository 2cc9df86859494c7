import { lazy, Suspense } from "react";
import { loadAreas, useT } from "../../i18n/i18n.ts";
import { Section } from "../../ui/Section.tsx";
import { ActivitySkeleton } from "./ActivitySkeleton.tsx";

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
