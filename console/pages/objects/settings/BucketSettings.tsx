import { Skeleton } from "@mantine/core";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { useApi } from "../../../api/api.ts";
import { useCan } from "../../../frame/identity.ts";
import { ErrorPage } from "../../../ui/ErrorPage.tsx";
import { BucketWebsite } from "../BucketWebsite.tsx";
import { AccessSection } from "./AccessSection.tsx";
import { CorsSection } from "./CorsSection.tsx";
import { EncryptionSection } from "./EncryptionSection.tsx";
import { EngineSection } from "./EngineSection.tsx";
import { LifecycleSection } from "./LifecycleSection.tsx";
import { LockSection } from "./LockSection.tsx";
import { LoggingSection } from "./LoggingSection.tsx";
import { NotificationsSection } from "./NotificationsSection.tsx";
import { QuotaSection } from "./QuotaSection.tsx";
import { VersionsSection } from "./VersionsSection.tsx";

/** What applies to all of a bucket, in words that say what it costs and whether it can be taken back. */
export function BucketSettings({ bucket, readOnly }: { bucket: Bucket; readOnly: boolean }) {
  const can = useCan();
  const settings = useApi("bucketSettingsGet", { bucket: bucket.name });
  if (settings.error && !settings.data) return <ErrorPage error={settings.error} reset={() => void settings.refetch()} />;
  if (!settings.data) return <Skeleton height={320} />;
  return (
    <>
      <VersionsSection bucket={bucket} settings={settings.data} readOnly={readOnly} />
      <LockSection key={JSON.stringify(settings.data.lock)} bucket={bucket} settings={settings.data} readOnly={readOnly} />
      <LifecycleSection bucket={bucket} readOnly={readOnly} />
      <AccessSection bucket={bucket} readOnly={readOnly} />
      <EncryptionSection bucket={bucket} settings={settings.data} readOnly={readOnly} />
      <EngineSection bucket={bucket} settings={settings.data} mayMove={can("admin")} />
      <QuotaSection bucket={bucket} mayChange={can("admin")} />
      <NotificationsSection bucket={bucket} readOnly={readOnly} />
      <LoggingSection bucket={bucket} readOnly={readOnly} />
      <CorsSection bucket={bucket} readOnly={readOnly} />
      <BucketWebsite bucket={bucket} readOnly={readOnly} />
    </>
  );
}
