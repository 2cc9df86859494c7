import { IconBucket } from "@tabler/icons-react";
import { callApi } from "../../api/api.ts";
import { type ServicePages, servicePages } from "../../frame/registry.ts";

const bucketPage = () => import("./BucketPage.tsx");

const pages: ServicePages = servicePages({
  pages: [
    {
      scope: "project",
      path: "buckets",
      title: "frame.nav.buckets",
      load: () => import("./BucketsPage.tsx"),
      areas: ["objects"],
    },
    {
      scope: "project",
      path: "buckets/$bucket",
      title: "objects.bucket",
      load: bucketPage,
      areas: ["objects", "versions", "bucketBackups", "bucketRules", "bucketSettings", "usage"],
    },
    {
      scope: "project",
      path: "buckets/$bucket/$tab",
      title: "objects.bucket",
      load: bucketPage,
      areas: ["objects", "versions", "bucketBackups", "bucketRules", "bucketSettings", "usage"],
    },
  ],
  navigation: [
    {
      section: "storage",
      order: 1,
      label: "frame.nav.buckets",
      icon: IconBucket,
      scope: "project",
      path: "buckets",
      requires: "viewer",
    },
  ],
  events: {
    "objects.bucket.changed": [
      "bucketList",
      "bucketGet",
      "bucketSettingsGet",
      "bucketLifecycleGet",
      "bucketCorsGet",
      "bucketAccessGet",
      "bucketWebsiteGet",
      "bucketNotificationGet",
      "bucketLoggingGet",
      "bucketQuotaGet",
    ],
    "objects.delivery.changed": ["bucketNotificationDeliveryList"],
    "objects.backup.changed": ["bucketBackupList", "bucketBackupTargetGet"],
    "objects.object.damaged": ["bucketSafetyGet", "damagedObjectList"],
    "objects.object.changed": [
      "bucketList",
      "bucketGet",
      "bucketQuotaGet",
      "objectList",
      "objectGet",
      "objectVersionList",
      "trashList",
      "uploadList",
      "shareList",
    ],
  },
  search: async (words, { project, address }) => {
    if (!project) return [];
    const { items } = await callApi("bucketList", {
      project: project.id as never,
      search: words.toLowerCase().slice(0, 63),
      limit: 8,
    });
    return items.map(({ id, name }) => ({ id, label: name, icon: IconBucket, to: address("project", `buckets/${name}`) }));
  },
});

export default pages;
