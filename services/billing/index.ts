export { createBilling } from "./service.ts";
