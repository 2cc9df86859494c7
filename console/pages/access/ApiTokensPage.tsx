import { useT } from "../../i18n/i18n.ts";
import { AccountHeader } from "../account/AccountHeader.tsx";
import { ApiTokens } from "./ApiTokens.tsx";

export default function ApiTokensPage() {
  const t = useT();
  return (
    <>
      <AccountHeader />
      <ApiTokens text={t("access.tokensText")} />
    </>
  );
}
