import { AsyncLocalStorage } from "node:async_hooks";

/** Who or what changes objects just now, for the records of events. */
export interface Origin {
  /** As S3 names callers; absent: the cloud itself, or a person through the API. */
  principalId?: string;
  sourceAddress?: string | undefined;
  requestId?: string;
  hostId?: string;
  /** A form of a browser. */
  post?: boolean;
  lifecycle?: boolean;
}

/** Spares every operation of the store a parameter that only events need. */
export const origins = new AsyncLocalStorage<Origin>();
