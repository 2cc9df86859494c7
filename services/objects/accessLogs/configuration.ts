import type { ObjectAccess } from "../driver.ts";
import type { keyFormats } from "./contract.ts";

/** Where a bucket's access log goes (S3 API Reference, LoggingEnabled). */
export interface LoggingConfiguration {
  /** A bucket of the same project, by name. */
  targetBucket: string;
  targetPrefix: string;
  /** Below the prefix: by the time of delivery alone, or in folders by account, region, bucket and the day of the requests or of the delivery. */
  keyFormat: (typeof keyFormats)[number];
  /** Who else may do what with the objects of the log, unless the target lets no list count. */
  targetGrants?: ObjectAccess["grants"];
}
