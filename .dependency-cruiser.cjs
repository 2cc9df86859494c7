/** Import rules (ARCHITECTURE.md). `$1` is the service captured in `from`. Checked by tools/check.ts, with a planted violation of each. */
const no = (name, from, to, comment) => ({ name, severity: "error", comment, from, to });
// Erased before anything runs: such an import needs nothing at run time.
const atRunTime = { dependencyTypesNot: ["type-only"] };
// A large service keeps its contract in parts, one per folder, two deep.
const contracts =
  "^services/(contracts|[^/]+/contract|[^/]+/contract/[^/]+|[^/]+/[^/]+/contract|[^/]+/[^/]+/[^/]+/contract)[.]ts$";
const tests = "[.](test|e2e|child)[.]tsx?$|^(testing|e2e|bench|tools)/|/(conformance|testing)[./]";

module.exports = {
  forbidden: [
    no("no-cycles", {}, { circular: true, viaOnly: atRunTime }),
    no("no-unresolved", {}, { couldNotResolve: true }),
    no(
      "kernel-knows-no-service",
      { path: "^kernel/", pathNot: tests },
      { path: "^(services|gateway|console|server|cli|client)/" },
    ),
    no(
      "services-meet-at-contract",
      { path: "^services/([^/]+)/", pathNot: tests },
      { path: "^services/", pathNot: ["^services/$1/", contracts] },
    ),
    no(
      "contract-is-pure",
      { path: contracts },
      { pathNot: [contracts, "^kernel/(contract|errors|ids)[.]ts$", "node_modules/zod"], ...atRunTime },
    ),
    no(
      "client-sees-only-contracts",
      { path: "^client/", pathNot: tests },
      { path: "^(services|kernel|gateway|server)/", pathNot: [contracts, "^kernel/(contract|errors|ids)[.]ts$"] },
    ),
    no(
      "console-sees-only-contracts",
      { path: "^console/", pathNot: tests },
      { path: "^(services|kernel|gateway|server)/", pathNot: [contracts, "^kernel/(contract|errors|ids)[.]ts$"] },
    ),
    // It packs a working folder as services/apps would read it.
    no(
      "cli-sees-only-contracts",
      { path: "^cli/", pathNot: tests },
      { path: "^(services|kernel|gateway|server)/", pathNot: [contracts, "^kernel/(contract|errors|ids|sourceFolder)[.]ts$"] },
    ),
    // The console's bundle stays small: contracts, and with them zod, are there for their types alone.
    no(
      "console-runs-no-contract",
      { path: "^console/", pathNot: tests },
      { path: ["^services/", "^kernel/contract[.]ts$", "node_modules/zod"], ...atRunTime },
    ),
    no(
      "sql-only-in-store",
      // The databases of people are no database of ours: their driver speaks to them.
      { path: "^services/", pathNot: [tests, "/store([.]ts$|/)", "^services/databases/drivers/"] },
      { path: ["^kernel/db/", "node_modules/postgres/"], pathNot: "^kernel/db/visibility[.]ts$", ...atRunTime },
    ),
    // The port may be of several parts: driver.ts, nodesDriver.ts.
    no(
      "drivers-implement-only-the-port",
      { path: "^services/([^/]+)/drivers/", pathNot: tests },
      { path: "^services/", pathNot: ["^services/$1/(nodesD|d)river[.]ts$", "^services/$1/drivers/"] },
    ),
    no(
      "front-door",
      { pathNot: ["^services/", tests] },
      { path: "^services/", pathNot: ["^services/[^/]+/index[.]ts$", contracts] },
    ),
    no("not-to-test", { pathNot: tests }, { path: tests, pathNot: "node_modules" }),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    // swc, as dependency-cruiser cannot use TypeScript 7 yet.
    parser: "swc",
    tsPreCompilationDeps: "specify",
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default"],
      extensions: [".ts", ".tsx", ".js"],
    },
  },
};
