/** The one function of qrcode that is used; the package brings no types. */
declare module "qrcode" {
  const qrcode: { toString(text: string, options: { type: "svg" }): Promise<string> };
  export default qrcode;
}
