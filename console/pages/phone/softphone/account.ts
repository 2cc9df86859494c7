/** What this browser registers with: of the signed-in person's own extension, for a while. */
export interface PhoneAccount {
  extensionId: string;
  /** The extension's number and name, as others see them. */
  number: string;
  name: string;
  userName: string;
  password: string;
  domain: string;
  iceServers: RTCIceServer[];
}
