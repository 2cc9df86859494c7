/** The pages that the gateway answers itself, without a file beside them: what they need is in them. */

const words: Record<number, [title: string, text: string]> = {
  400: ["This request cannot be read", "The browser or program sent something that is no valid HTTP request."],
  401: ["Sign in to go on", "This site asks for a name and a password."],
  403: ["You may not come in from here", "The owner of this site has closed it for your address."],
  404: ["There is nothing here", "No site answers at this address. Check how it is written."],
  408: ["This took too long", "The request did not arrive in time. Try again."],
  411: ["How long is it?", "This site takes uploads only when their length is said beforehand (Content-Length)."],
  413: ["This is too large", "The upload is larger than this site takes."],
  429: ["Too many requests", "You have asked more often than this site allows. Wait a little, then try again."],
  500: ["Something went wrong", "The gateway could not handle this request."],
  502: ["The application does not answer properly", "It broke off, or answered what is no valid HTTP."],
  503: ["The application is not running", "None of its servers answers at the moment. Try again in a little while."],
  504: ["The application takes too long", "It has the request, and did not answer in time."],
};

/** Those that every site has, by status. */
export const pageStatuses: readonly number[] = Object.keys(words).map(Number);

/** `{{requestId}}` stands where the id of the request goes. */
export function errorPage(status: number, productName: string): string {
  const [title, text] = words[status] ?? ["Something went wrong", ""];
  return layout({ title, text, status: String(status), productName });
}

export const maintenancePage = (productName: string): string =>
  layout({ title: "Back soon", text: "This site is being worked on. Try again in a little while.", status: "503", productName });

const retrySeconds = 3;

/** While the cloud itself starts again; the browser asks by itself until it is there. */
export const startingPage = (productName: string): string =>
  layout({
    title: "Back in a moment",
    text: "The cloud is starting. This page loads again by itself.",
    status: "503",
    productName,
    head: `<meta http-equiv="refresh" content="${retrySeconds}">\n`,
  });

/** A page of the sign-in's; all texts are shown as they are. */
export const visitPage = (page: {
  title: string;
  text: string;
  productName: string;
  links: { label: string; to: string }[];
}): string =>
  layout({
    title: escaped(page.title),
    text: [
      escaped(page.text),
      ...page.links.map(({ label, to }) => `</p>\n<p><a href="${escaped(to)}">${escaped(label)}</a>`),
    ].join(""),
    status: escaped(page.productName),
    productName: escaped(page.productName),
    footer: "",
  });

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

interface Layout {
  title: string;
  text: string;
  status: string;
  productName: string;
  head?: string;
  footer?: string;
}

function layout({ title, text, status, productName, head = "", footer = " · request {{requestId}}" }: Layout): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
${head}<title>${title}</title>
<style>
:root { color-scheme: light dark; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; font: 16px/1.5 system-ui, sans-serif; background: #f8f9fa; color: #212529; }
main { max-width: 32rem; padding: 2rem; }
p { margin: 0.5rem 0; }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.25; }
.status { color: #1971c2; font-weight: 600; }
a { color: inherit; }
footer { margin-top: 2rem; font-size: 0.8rem; color: #5c636a; overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) { body { background: #141517; color: #e9ecef; } .status { color: #74c0fc; } footer { color: #a6a7ab; } }
</style>
</head>
<body>
<main>
<p class="status">${status}</p>
<h1>${title}</h1>
<p>${text}</p>
<footer>${productName}${footer}</footer>
</main>
</body>
</html>
`;
}
