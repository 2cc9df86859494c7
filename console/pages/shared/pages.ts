import { servicePages } from "../../frame/registry.ts";

/** What a share link opens: for anybody, without an account. */
export default servicePages({
  pages: [
    {
      scope: "public",
      path: "s/$token",
      title: "objects.shared.title",
      load: () => import("./SharedPage.tsx"),
      areas: ["objects"],
    },
  ],
});
