import { callApi, invalidate } from "../../api/api.ts";
import { queries } from "../../frame/queries.ts";
import { toastError } from "../../ui/toast.ts";
import { appRoutes } from "./words.ts";

/** Starts what takes a while; how it goes is seen in the state of the app. */
export const runAction = (key: "appStart" | "appStop" | "appRestart", app: string): void =>
  void callApi(key, { app } as never)
    .then(() => invalidate(queries, [...appRoutes, "deploymentList"]))
    .catch(toastError);
