declare module "@spice-project/spice-html5" {
  export class SpiceMainConn {
    constructor(options: {
      uri: string;
      password: string;
      screen_id: string;
      message_id?: string;
      onerror?: (error: Error) => void;
      onsuccess?: (message: string) => void;
    });
    stop(): void;
  }
}
