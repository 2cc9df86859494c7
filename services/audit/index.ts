export { createAudit } from "./service.ts";
