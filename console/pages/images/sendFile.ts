import { CloudError, type ErrorCode } from "../../../kernel/errors.ts";
import { translate } from "../../i18n/i18n.ts";

/** A file as the body of one request. XMLHttpRequest, as fetch does not tell how much has gone out. */
export function sendFile(address: string, file: File, onSent: (bytes: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.setRequestHeader("x-khmara-csrf", "1");
    request.setRequestHeader("content-type", "application/octet-stream");
    request.upload.onprogress = ({ loaded }) => onSent(loaded);
    request.onerror = () => reject(new CloudError("unavailable", translate("images.broken")));
    request.onload = () => {
      if (request.status < 300) return resolve();
      let problem: { code?: ErrorCode; detail?: string } = {};
      try {
        problem = JSON.parse(request.responseText) as typeof problem;
      } catch {
        // An answer of something in between: the status is all there is.
      }
      reject(new CloudError(problem.code ?? "internal", problem.detail ?? `HTTP ${request.status}`));
    };
    request.send(file);
  });
}
