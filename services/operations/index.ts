export { createOperations } from "./service.ts";
