import { AccountHeader } from "./AccountHeader.tsx";
import { PasskeySection } from "./PasskeySection.tsx";
import { PasswordSection } from "./PasswordSection.tsx";
import { SessionSection } from "./SessionSection.tsx";
import { SshKeySection } from "./SshKeySection.tsx";
import { TotpSection } from "./TotpSection.tsx";

export default function SecurityPage() {
  return (
    <>
      <AccountHeader />
      <PasswordSection />
      <TotpSection />
      <PasskeySection />
      <SshKeySection />
      <SessionSection />
    </>
  );
}
