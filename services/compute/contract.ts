import { contract } from "../../kernel/contract.ts";
import { accessEvents, accessMeters, accessQuotas, accessRoutes } from "./access/contract.ts";
import { engineEvents, engineMeters, engineQuotas, engineRoutes } from "./engine/contract.ts";
import { imageEvents, imageMeters, imageQuotas, imageRoutes } from "./images/contract.ts";
import { instanceEvents, instanceMeters, instanceQuotas, instanceRoutes } from "./instances/contract.ts";
import { jobEvents, jobMeters, jobQuotas, jobRoutes } from "./jobs/contract.ts";
import { networkEvents, networkMeters, networkQuotas, networkRoutes } from "./networks/contract.ts";
import { volumeEvents, volumeMeters, volumeQuotas, volumeRoutes } from "./volumes/contract.ts";
import { watchEvents, watchMeters, watchQuotas, watchRoutes } from "./watch/contract.ts";

/** The parts of this service, each in a folder of its own, put together. */
export default contract({
  name: "compute",
  title: "Virtual servers",
  routes: {
    ...instanceRoutes,
    ...accessRoutes,
    ...imageRoutes,
    ...volumeRoutes,
    ...networkRoutes,
    ...jobRoutes,
    ...watchRoutes,
    ...engineRoutes,
  },
  events: {
    ...instanceEvents,
    ...accessEvents,
    ...imageEvents,
    ...volumeEvents,
    ...networkEvents,
    ...jobEvents,
    ...watchEvents,
    ...engineEvents,
  },
  quotas: {
    ...instanceQuotas,
    ...accessQuotas,
    ...imageQuotas,
    ...volumeQuotas,
    ...networkQuotas,
    ...jobQuotas,
    ...watchQuotas,
    ...engineQuotas,
  },
  meters: {
    ...instanceMeters,
    ...accessMeters,
    ...imageMeters,
    ...volumeMeters,
    ...networkMeters,
    ...jobMeters,
    ...watchMeters,
    ...engineMeters,
  },
});
