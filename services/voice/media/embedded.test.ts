import { openMediaEngine } from "./openEngine.ts";
import { conformance } from "./testing/conformance.ts";

conformance(() => openMediaEngine({ kind: "embedded", workers: 2, ports: [32_000, 32_399], advertised: ["127.0.0.1"] }));
