import type { ReactNode } from "react";
import { useReason } from "./failureOf.ts";

/** A state with the reason for it, for whoever points at it. */
export function Reasoned({ of, reason, children }: { of: string; reason: string | undefined; children: ReactNode }) {
  return <span title={useReason(of, reason)}>{children}</span>;
}
