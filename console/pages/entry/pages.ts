import { servicePages } from "../../frame/registry.ts";

const areas = ["entry"] as const;

/** The doors: what one sees before being signed in. */
export default servicePages({
  pages: [
    { scope: "public", path: "setup", title: "entry.setupTitle", load: () => import("./SetupPage.tsx"), areas },
    { scope: "public", path: "sign-in", title: "entry.signInTitle", load: () => import("./SignInPage.tsx"), areas },
    { scope: "public", path: "sign-up", title: "entry.signUpTitle", load: () => import("./SignUpPage.tsx"), areas },
    { scope: "public", path: "invitation", title: "entry.invitationTitle", load: () => import("./InvitationPage.tsx"), areas },
    { scope: "public", path: "visit", title: "entry.visitPage", load: () => import("./VisitPage.tsx"), areas },
    { scope: "public", path: "password-reset", title: "entry.resetTitle", load: () => import("./PasswordResetPage.tsx"), areas },
  ],
});
