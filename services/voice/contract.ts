import { contract } from "../../kernel/contract.ts";

/** The parts of this service, each in a folder of its own, put together. */
export default contract({
  name: "voice",
  title: "Phone",
  routes: {},
});
