export interface PageOptions {
  /** Of the WebSocket. */
  server: string;
  /** `sip:user@domain`. */
  aor: string;
  user: string;
  password: string;
  displayName?: string;
  toneHz: number;
  video: boolean;
}

export interface PageEvent {
  type:
    | "registered"
    | "unregistered"
    | "connected"
    | "disconnected"
    | "incoming"
    | "created"
    | "answered"
    | "closed"
    | "held"
    | "digit"
    | "message";
  /** Of the call. */
  id?: string;
  /** Who calls, a digit, or a message's text. */
  param?: string;
}

export type PageMethod =
  | "start"
  | "events"
  | "dial"
  | "answer"
  | "decline"
  | "hangUp"
  | "hold"
  | "resume"
  | "addVideo"
  | "showVideo"
  | "videoDirection"
  | "talksTo"
  | "press"
  | "transfer"
  | "transferTo"
  | "send"
  | "unregister"
  | "heard"
  | "restartIce"
  | "figures";
